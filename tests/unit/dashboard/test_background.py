"""What goes on for ever, whatever is raised meanwhile."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from structlog.testing import capture_logs

from dashboard.background import keep_doing
from dashboard.errors import DatabaseAway


async def test_neither_a_bug_nor_a_database_that_is_away_ends_it() -> None:
    outcomes = [DatabaseAway("The database does not answer."), KeyError("a bug"), None]
    has_worked = asyncio.Event()

    async def once() -> None:
        if outcome := outcomes.pop(0):
            raise outcome
        has_worked.set()

    with capture_logs() as logged:
        going = asyncio.create_task(keep_doing("sweeping", once, every_s=0))
        async with asyncio.timeout(10):
            await has_worked.wait()
        going.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await going
    assert [(line["event"], line["log_level"], line["work"]) for line in logged[:2]] == [
        ("work_interrupted", "warning", "sweeping"),
        ("work_failed", "error", "sweeping"),
    ]


async def test_who_is_woken_while_working_works_once_more() -> None:
    woken = asyncio.Event()
    times = 0

    async def once() -> None:
        nonlocal times
        times += 1
        if times == 1:
            woken.set()

    going = asyncio.create_task(keep_doing("sweeping", once, every_s=600, woken=woken))
    for _ in range(20):
        await asyncio.sleep(0)
    going.cancel()
    assert times == 2


@pytest.mark.parametrize("turns", range(4))
async def test_to_end_it_is_not_overheard_in_the_moment_in_which_it_is_woken(turns: int) -> None:
    woken, has_worked = asyncio.Event(), asyncio.Event()

    async def once() -> None:
        has_worked.set()

    going = asyncio.create_task(keep_doing("sweeping", once, every_s=600, woken=woken))
    await has_worked.wait()
    await asyncio.sleep(0.01)
    woken.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    going.cancel()
    async with asyncio.timeout(10):
        await asyncio.wait({going})
