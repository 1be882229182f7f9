"""The cap against a machine in the small: each probe takes CPU, and queues for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.capacity import (
    FIRST,
    LEAST,
    LOOK_EVERY_S,
    MOST,
    PROBE_BYTES,
    Capacity,
    free_bytes,
    most_here,
)


class Thread:
    """A probing thread that is ``busy`` for a share of its time."""

    def __init__(self) -> None:
        self.now_s = self.cpu_s = 0.0
        self.busy = 0.5
        self.capacity = Capacity(most=1_000, clock=lambda: self.now_s, cpu=lambda: self.cpu_s)

    def look(self, *, running: int, late_us: int = 0) -> bool:
        """Let one look's time pass, then ask for another probe."""
        self.capacity.admits(running, late_us)
        self.now_s += LOOK_EVERY_S
        self.cpu_s += LOOK_EVERY_S * self.busy
        return self.capacity.admits(running, 0)


def test_a_thread_that_is_too_busy_takes_fewer_probes() -> None:
    thread = Thread()
    thread.busy = 0.95
    assert not thread.look(running=100)
    assert thread.capacity.limit == 80  # what it ran was too much, whatever the cap was before
    for _ in range(20):
        thread.look(running=thread.capacity.limit)
    assert thread.capacity.limit == LEAST


def test_slots_that_begin_late_are_too_many_as_well() -> None:
    thread = Thread()
    thread.look(running=100, late_us=200_000)
    assert thread.capacity.limit == 80


def test_a_thread_with_time_to_spare_takes_more_when_more_is_wanted() -> None:
    thread = Thread()
    for _ in range(50):
        assert thread.look(running=10)
    assert thread.capacity.limit == FIRST  # nobody wanted more
    for _ in range(50):
        thread.look(running=thread.capacity.limit)
    assert thread.capacity.limit == 1_000


def test_it_settles_where_the_thread_is_just_busy_enough() -> None:
    """A probe takes 1 % of the thread; a hundred a second are wanted, then less than it can do."""
    thread = Thread()
    limits = []
    for _ in range(200):
        running = min(thread.capacity.limit, 300)
        thread.busy = min(1.0, running / 100)
        thread.look(running=running)
        limits.append(thread.capacity.limit)
    assert min(limits[100:]) >= 60
    assert max(limits[100:]) <= 110


@pytest.mark.parametrize("busy", [0.1, 1.0])
def test_a_cap_that_was_given_stays(busy: float) -> None:
    thread = Thread()
    thread.busy = busy
    thread.capacity = Capacity(7, clock=lambda: thread.now_s, cpu=lambda: thread.cpu_s)
    for _ in range(10):
        assert not thread.look(running=7)
        assert thread.look(running=6)
    assert thread.capacity.limit == 7


def test_a_machine_has_room_for_some() -> None:
    assert 1 <= most_here() <= 10_000


def test_memory_that_nothing_tells_of_is_no_bound(tmp_path: Path) -> None:
    told = tmp_path / "meminfo"
    assert free_bytes(told) == 4 * MOST * PROBE_BYTES
    told.write_text("MemTotal: 9 kB\nMemAvailable:     70 kB\n")
    assert free_bytes(told) == 70 * 1024
