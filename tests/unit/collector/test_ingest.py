"""Which batches share a transaction, and when it begins."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import UUID

import pytest

from collector import db
from collector.assignments import Probed
from collector.batch import Batch, Lost, Source, Stored
from collector.ingest import GATHER_S, SEVERAL, Committer, pause_s

SOURCE = Source(UUID(int=1), "fra", bytes(16), 1)


class Recording(Committer):
    """Notes which batches would be stored together, and when."""

    took_s = 0.0

    def __init__(self) -> None:
        super().__init__("", Probed(""))
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

    async def queue(self, count: int) -> Batch:
        for _ in range(count):
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
    assert [count for count, _ in committer.groups] == [SEVERAL, 2]
    (_, first_at), (_, second_at) = committer.groups
    assert second_at - first_at >= GATHER_S * 0.99


@pytest.mark.parametrize(("took_ms", "pause_ms"), [(0, 0), (4, 8), (10, 15), (24, 1), (60, 0)])
def test_the_quicker_transactions_are_the_less_is_waited(took_ms: int, pause_ms: int) -> None:
    assert pause_s(took_ms / 1000) == pytest.approx(pause_ms / 1000)


async def test_a_batch_that_comes_alone_waits_for_none() -> None:
    committer = Recording()
    running = asyncio.create_task(committer.run())
    began = time.perf_counter()
    for _ in range(200):
        await (await committer.queue(1)).answer
    running.cancel()
    assert [count for count, _ in committer.groups] == [1] * 200
    assert time.perf_counter() - began < 100 * GATHER_S
