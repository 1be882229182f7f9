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
    outer = watcher.begin()
    await asyncio.sleep(0.02)
    inner = watcher.begin()
    time.sleep(0.08)  # noqa: ASYNC251 - blocking the loop is the point
    await asyncio.sleep(0.02)
    inner_us = watcher.end(inner)
    later = watcher.begin()
    await asyncio.sleep(0.001)
    later_us = watcher.end(later)
    assert inner_us >= 70_000
    assert watcher.end(outer) >= inner_us
    assert later_us < 70_000


async def test_a_later_longer_block_does_not_hide_an_earlier_one() -> None:
    watcher = LagWatcher()
    early = watcher.begin()
    time.sleep(0.04)  # noqa: ASYNC251
    await asyncio.sleep(0.02)
    late = watcher.begin()
    await asyncio.sleep(0.02)
    time.sleep(0.09)  # noqa: ASYNC251
    await asyncio.sleep(0.02)
    assert watcher.end(early) >= 80_000
    assert watcher.end(late) >= 80_000


async def test_a_block_just_before_the_end_is_seen() -> None:
    watcher = LagWatcher()
    began = watcher.begin()
    time.sleep(0.05)  # noqa: ASYNC251
    assert watcher.end(began) >= 39_000


async def test_what_was_blocked_before_a_probe_began_is_not_its_own() -> None:
    watcher = LagWatcher()
    watcher.begin()
    time.sleep(0.08)  # noqa: ASYNC251
    began = watcher.begin()
    began_ns = time.perf_counter_ns()
    await asyncio.sleep(0.001)
    assert watcher.end(began) <= (time.perf_counter_ns() - began_ns) / 1000 + 100
