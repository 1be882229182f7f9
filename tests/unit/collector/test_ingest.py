"""Which batches share a transaction, and when it begins."""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from collector import db
from collector.assignments import Probed
from collector.batch import Batch, Lost, Source, Stored
from collector.ingest import BUSY, GATHER_S, SEVERAL, Committer, pause_s
from collector.occupation import Occupation

SOURCE = Source(UUID(int=1), "fra", bytes(16), 1)


class Recording(Committer):
    """Notes which batches would be stored together, and when; takes this much of a processor."""

    took_s = 0.0

    def __init__(self, share: float = 1.0) -> None:
        super().__init__("", Probed(""))
        seconds, taken = count(), count(step=share)
        self.occupation = Occupation(lambda: next(seconds), lambda: next(taken))
        self.groups: list[tuple[int, float]] = []
        self.committed = asyncio.Event()

    async def commit_until_done(
        self, connection: db.AsyncConnection | None, batches: list[Batch]
    ) -> Any:
        self.groups.append((len(batches), time.perf_counter()))
        await asyncio.sleep(self.took_s)
        self.committed.set()
        for batch in batches:
            batch.reply(Stored(1))

    async def queue(self, batches: int) -> Batch:
        for _ in range(batches):
            last = await self.submit(SOURCE, 1, [], lost=Lost(1, "spool_full"))
        return last


async def test_after_several_batches_more_are_waited_for() -> None:
    committer = Recording()
    committer.took_s = GATHER_S / 2
    await committer.queue(SEVERAL)
    running = asyncio.create_task(committer.run())
    await asyncio.sleep(0)
    first = await committer.queue(1)
    await committer.committed.wait()
    await (await committer.queue(1)).answer
    await first.answer
    running.cancel()
    assert [batches for batches, _ in committer.groups] == [SEVERAL, 2]
    (_, first_at), (_, second_at) = committer.groups
    assert second_at - first_at >= GATHER_S * 0.99


@pytest.mark.parametrize(("took_ms", "pause_ms"), [(0, 0), (4, 8), (10, 15), (24, 1), (60, 0)])
def test_the_quicker_transactions_are_the_less_is_waited(took_ms: int, pause_ms: int) -> None:
    assert pause_s(took_ms / 1000, BUSY) == pytest.approx(pause_ms / 1000)


async def test_a_collector_with_little_to_do_waits_for_none() -> None:
    committer = Recording(share=BUSY / 2)
    await committer.queue(SEVERAL)
    running = asyncio.create_task(committer.run())
    began = time.perf_counter()
    for _ in range(100):
        await (await committer.queue(SEVERAL)).answer
    running.cancel()
    assert time.perf_counter() - began < 50 * GATHER_S


def test_how_busy_a_process_is_is_told_since_the_last_look() -> None:
    seconds, taken = iter([10.0, 12.0, 13.0]), iter([1.0, 2.0, 3.5])
    occupation = Occupation(lambda: next(seconds), lambda: next(taken))
    assert [occupation.since_last(), occupation.since_last()] == [0.5, 1.5]


async def test_a_batch_that_comes_alone_waits_for_none() -> None:
    committer = Recording()
    running = asyncio.create_task(committer.run())
    began = time.perf_counter()
    for _ in range(200):
        await (await committer.queue(1)).answer
    running.cancel()
    assert [batches for batches, _ in committer.groups] == [1] * 200
    assert time.perf_counter() - began < 100 * GATHER_S
