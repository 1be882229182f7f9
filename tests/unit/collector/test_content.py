"""What a batch holds, read as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Container
from uuid import UUID

from collector import wire
from collector.batch import Batch, Source
from collector.content import OBJECT_BYTES, Content
from tests.support.collector import exchange, result
from tests.support.rows import named


def read(payloads: list[bytes], probed: Container[int]) -> Content:
    return Content.read(enumerate(payloads, 7), agent_id=bytes(16), location="fra", probed=probed)


def monitors(content: Content) -> list[int]:
    rows = [named(row, wire.RESULT_COLUMNS) for row in content.results.rows]
    assert [row["monitor_id"] for row in rows] == content.results.monitor_ids
    return content.results.monitor_ids


def test_what_cannot_be_a_row_is_refused_by_its_number() -> None:
    content = read([result(1, 5), b"\xff", result(3, 5), result(2, 5)], {1, 2})
    assert monitors(content) == [1, 2]
    assert [(seq, reason, monitor_id) for seq, reason, _, monitor_id in content.refused] == [
        (8, "not a vantage.v1.Result", None),
        (9, "monitor 3 is not probed from fra", 3),
    ]
    assert content.strange == {3}


class Broken:
    """A fault of ours, at one of the monitors."""

    def __contains__(self, monitor_id: object) -> bool:
        if monitor_id == 2:
            raise ZeroDivisionError
        return True


def test_a_fault_at_one_result_keeps_no_other_from_being_stored() -> None:
    content = read([result(1, 5), result(2, 5), result(3, 5)], Broken())
    assert monitors(content) == [1, 3]
    [(seq, reason, payload, monitor_id)] = content.refused
    assert (seq, payload, monitor_id) == (8, result(2, 5), 2)
    assert reason == "it could not be read: ZeroDivisionError"


async def test_what_is_stored_already_of_a_batch_is_left_out() -> None:
    payloads = [result(1, 5), result(2, 5), result(2, 6)]
    answer = asyncio.get_running_loop().create_future()
    source = Source(UUID(int=1), "fra", bytes(16), 1)
    batch = Batch(source, 7, payloads, answer, probed=frozenset({1, 2}))
    batch.content = batch.new(7)
    assert batch.new(7) is batch.content
    assert monitors(batch.new(8)) == [2, 2]


async def test_a_batch_is_as_large_as_what_is_made_of_it() -> None:
    many = result(1, 5, exchanges=[exchange()] * 50)
    answer = asyncio.get_running_loop().create_future()
    source = Source(UUID(int=1), "fra", bytes(16), 1)
    batch = Batch(source, 1, [many], answer, probed=frozenset({1}))
    assert batch.size_bytes == 2 * (len(many) + OBJECT_BYTES)
    batch.content = batch.new(1)
    assert batch.content.refused == []
    rows = [*batch.content.results.rows, *batch.content.exchanges]
    assert len(rows) == 50
    assert batch.size_bytes == len(many) + sum(map(len, rows)) + 51 * OBJECT_BYTES


def test_what_is_suspect_has_no_vote() -> None:
    content = read([result(1, 5), result(2, 6, suspect=True), result(1, 7)], {1, 2})
    slots_at_us = ";".join(str(each) for each in content.results.slots_at_us[::2])
    assert content.results.votes() == ("1;1", slots_at_us, "up;up")
    assert read([result(1, 5, suspect=True)], {1}).results.votes() is None
