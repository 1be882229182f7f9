from __future__ import annotations

import asyncio
import time

import pytest

from agent.lag import Lag, LagWatcher, held_up_us, is_suspect


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
    inner_us = watcher.end(inner).blocked_us
    later = watcher.begin()
    began_ns = time.perf_counter_ns()
    await asyncio.sleep(0.001)
    later_us = watcher.end(later).blocked_us
    lasted_us = (time.perf_counter_ns() - began_ns) / 1000
    assert inner_us >= 70_000
    assert watcher.end(outer).blocked_us >= inner_us
    assert later_us <= lasted_us + 100


async def test_a_later_longer_block_does_not_hide_an_earlier_one() -> None:
    watcher = LagWatcher()
    early = watcher.begin()
    time.sleep(0.04)  # noqa: ASYNC251
    await asyncio.sleep(0.02)
    late = watcher.begin()
    await asyncio.sleep(0.02)
    time.sleep(0.09)  # noqa: ASYNC251
    await asyncio.sleep(0.02)
    assert watcher.end(early).blocked_us >= 80_000
    assert watcher.end(late).blocked_us >= 80_000


async def test_a_block_just_before_the_end_is_seen() -> None:
    watcher = LagWatcher()
    began = watcher.begin()
    time.sleep(0.05)  # noqa: ASYNC251
    assert watcher.end(began).asleep_us >= 30_000


async def test_what_was_blocked_before_a_probe_began_is_not_its_own() -> None:
    watcher = LagWatcher()
    watcher.begin()
    time.sleep(0.08)  # noqa: ASYNC251
    began = watcher.begin()
    began_ns = time.perf_counter_ns()
    await asyncio.sleep(0.001)
    assert watcher.end(began).blocked_us <= (time.perf_counter_ns() - began_ns) / 1000 + 100


async def test_what_is_computed_is_not_slept() -> None:
    watcher = LagWatcher()
    began = watcher.begin()
    until = time.thread_time() + 0.08
    while time.thread_time() < until:
        pass
    lag = watcher.end(began)
    assert lag.blocked_us >= 60_000
    assert lag.asleep_us < 40_000


@pytest.mark.parametrize(
    ("doubts", "expected_us"),
    [([300], 2_000), ([9_000], 9_000), ([None], 50_000), ([300, 400], 50_000)],
)
def test_what_is_known_of_the_events_counts_before_the_loops_lag(
    doubts: list[int | None], expected_us: int
) -> None:
    assert held_up_us(Lag(blocked_us=50_000, asleep_us=2_000), doubts) == expected_us
