from __future__ import annotations

import asyncio
import time

import pytest

from agent.lag import LagWatcher, is_suspect


@pytest.mark.parametrize(
    ("lag_us", "total_us", "suspect"),
    [
        (0, 0, False),
        (5_000, 1_000, False),
        (5_001, 1_000, True),
        (9_000, 100_000, False),
        (10_001, 100_000, True),
    ],
)
def test_the_rule(lag_us: int, total_us: int, suspect: bool) -> None:
    assert is_suspect(lag_us, total_us) is suspect


async def test_a_block_is_seen_by_those_in_flight_and_by_no_later_one() -> None:
    watcher = LagWatcher()
    with watcher.watch() as outer:
        await asyncio.sleep(0.02)
        with watcher.watch() as inner:
            time.sleep(0.08)  # noqa: ASYNC251 - blocking the loop is the point
            await asyncio.sleep(0.02)
        with watcher.watch() as later:
            await asyncio.sleep(0.001)
    assert inner.worst_us >= 70_000
    assert outer.worst_us >= inner.worst_us
    assert later.worst_us < 70_000


async def test_a_block_just_before_the_end_is_seen() -> None:
    with LagWatcher().watch() as watch:
        time.sleep(0.05)  # noqa: ASYNC251
    assert watch.worst_us >= 39_000
