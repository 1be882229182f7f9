from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.missed import Reason
from agent.result import Assignment, Monitor
from agent.schedule import MAX_DELAY_US, Schedule

SECOND = 1_000_000
START = 1_795_000_000 * SECOND


class Clock:
    def __init__(self) -> None:
        self.wall = START
        self.monotonic = 5 * SECOND

    def wall_us(self) -> int:
        return self.wall

    def monotonic_us(self) -> int:
        return self.monotonic

    def pass_time(self, us: int) -> None:
        self.wall += us
        self.monotonic += us


def assignment(monitor_id: int = 1, interval: int = SECOND, offset: int = 0) -> Assignment:
    url = f"http://example.com/{monitor_id}"
    return Assignment(Monitor(id=monitor_id, url=url, interval_us=interval), offset)


def bounded(from_us: int | None = None, until_us: int | None = None) -> Assignment:
    return replace(assignment(), from_us=from_us, until_us=until_us)


def labels(schedule: Schedule) -> list[int]:
    return [slot.at_us for slot in schedule.due()]


def test_first_slot_is_the_next_one_and_labels_are_exact() -> None:
    clock = Clock()
    schedule = Schedule(clock)
    schedule.assign([assignment(offset=300_000)])
    assert schedule.due() == []
    assert schedule.wait_us() == 300_000
    clock.pass_time(300_700)
    assert labels(schedule) == [START + 300_000]
    assert labels(schedule) == []
    assert schedule.wait_us() == 999_300


def test_nothing_assigned_waits_for_ever() -> None:
    assert Schedule(Clock()).wait_us() is None


def test_a_slot_exactly_now_is_not_started_on() -> None:
    schedule = Schedule(clock := Clock())
    schedule.assign([assignment()])
    assert schedule.due() == []
    clock.pass_time(SECOND)
    assert labels(schedule) == [START + SECOND]


def test_slots_missed_while_blocked_are_counted_and_only_the_latest_runs() -> None:
    schedule = Schedule(clock := Clock())
    schedule.assign([assignment()])
    clock.pass_time(5 * SECOND + 400_000)
    assert labels(schedule) == [START + 5 * SECOND]
    [missed] = schedule.take_missed()
    assert (missed.from_us, missed.to_us) == (START + SECOND, START + 4 * SECOND)
    assert (missed.slots, missed.reason) == (4, Reason.OVERLOADED)
    assert schedule.take_missed() == []


def test_a_slot_too_late_for_its_delay_to_be_told_is_missed() -> None:
    schedule = Schedule(clock := Clock())
    schedule.assign([assignment(interval=24 * 3600 * SECOND, offset=SECOND)])
    wait_us = schedule.wait_us()
    assert wait_us is not None
    clock.pass_time(wait_us + MAX_DELAY_US + 1)
    assert schedule.due() == []
    assert [missed.slots for missed in schedule.take_missed()] == [1]


def test_reassigning_keeps_the_rhythm_and_takes_the_new_definition() -> None:
    schedule = Schedule(clock := Clock())
    schedule.assign([assignment(1), assignment(2)])
    clock.pass_time(SECOND + 10)  # both are due, not yet taken
    changed = Assignment(Monitor(id=1, url="http://other.example/", interval_us=SECOND), 0)
    schedule.assign([changed, assignment(3)])
    slots = schedule.due()
    assert [(slot.assignment, slot.at_us) for slot in slots] == [(changed, START + SECOND)]
    clock.pass_time(SECOND)
    assert {slot.assignment.monitor.id for slot in schedule.due()} == {1, 3}


def test_a_step_forward_skips_without_a_burst() -> None:
    schedule = Schedule(clock := Clock())
    schedule.assign([assignment(i, offset=i * 1000) for i in range(1, 11)])
    clock.wall += 3600 * SECOND + 500_000
    assert schedule.due() == []
    missed = schedule.take_missed()
    assert [each.slots for each in missed] == [3601] * 10
    assert {each.reason for each in missed} == {Reason.CLOCK_STEPPED}
    clock.pass_time(SECOND)
    assert len(schedule.due()) == 10


@pytest.mark.parametrize("step_at_s", range(0, 120, 3))
def test_a_small_step_back_runs_no_slot_twice(step_at_s: int) -> None:
    schedule = Schedule(clock := Clock())
    schedule.assign([assignment(interval=60 * SECOND)])
    seen = []
    for second in range(400):
        if second == step_at_s:
            clock.wall -= 5 * SECOND
        seen += labels(schedule)
        clock.pass_time(SECOND)
    assert seen == sorted(set(seen))
    assert len(seen) >= 6


def test_after_a_long_step_back_it_goes_on_within_an_interval() -> None:
    schedule = Schedule(clock := Clock())
    schedule.assign([assignment(interval=60 * SECOND)])
    clock.wall -= 24 * 3600 * SECOND
    assert schedule.due() == []
    wait_us = schedule.wait_us()
    assert wait_us is not None
    assert wait_us <= 60 * SECOND


@given(
    intervals=st.lists(st.integers(SECOND, 90 * SECOND), min_size=1, max_size=5),
    data=st.data(),
    pauses=st.lists(st.integers(0, 5 * SECOND), max_size=40),
)
def test_every_slot_runs_once_or_is_counted(
    intervals: list[int], data: st.DataObject, pauses: list[int]
) -> None:
    assignments = [
        assignment(i, interval, data.draw(st.integers(0, interval - 1)))
        for i, interval in enumerate(intervals)
    ]
    schedule = Schedule(clock := Clock())
    schedule.assign(assignments)
    seen: Counter[tuple[int, int]] = Counter()
    for pause in pauses:
        clock.pass_time(pause)
        for slot in schedule.due():
            interval, offset = slot.assignment.monitor.interval_us, slot.assignment.offset_us
            assert (slot.at_us - offset) % interval == 0
            assert START < slot.at_us <= clock.wall
            assert clock.wall - slot.at_us < interval
            seen[slot.assignment.monitor.id, slot.at_us] += 1
    schedule.due()
    expected = sum(
        (clock.wall - a.offset_us) // a.monitor.interval_us
        - (START - a.offset_us) // a.monitor.interval_us
        for a in assignments
    )
    for missed in schedule.take_missed():
        assert missed.slots == len(range(missed.from_us, missed.to_us + 1, missed.interval_us))
        for at_us in range(missed.from_us, missed.to_us + 1, missed.interval_us):
            seen[missed.monitor_id, at_us] += 1
    assert set(seen.values()) <= {1}
    assert len(seen) == expected


def run_for(schedule: Schedule, clock: Clock, seconds: int) -> list[int]:
    """Look often; return the slots that were due, in seconds after the start."""
    found = []
    for _ in range(seconds * 4):
        clock.pass_time(SECOND // 4)
        found += [(at_us - START) // SECOND for at_us in labels(schedule)]
    return found


def test_a_handover_runs_every_slot_once() -> None:
    """One agent has a monitor until a slot, another from it on; told at different moments."""
    clock = Clock()
    loser, winner = Schedule(clock), Schedule(clock)
    loser.assign([assignment()])
    ran = run_for(loser, clock, 3)
    boundary = START + 8 * SECOND
    loser.assign([bounded(until_us=boundary)])
    ran += run_for(loser, clock, 2)
    winner.assign([bounded(from_us=boundary)])
    for _ in range(7):
        clock.pass_time(SECOND)
        ran += [(at - START) // SECOND for each in (loser, winner) for at in labels(each)]
    assert ran == list(range(1, 13))
    assert loser.take_missed() == winner.take_missed() == []
    assert loser.wait_us() is None


def test_a_bound_that_is_lifted_before_its_time_loses_no_slot() -> None:
    schedule = Schedule(clock := Clock())
    schedule.assign([bounded(until_us=START + 3 * SECOND)])
    assert run_for(schedule, clock, 2) == [1, 2]
    schedule.assign([assignment()])
    assert run_for(schedule, clock, 2) == [3, 4]


def test_what_was_another_agents_in_between_is_not_missed() -> None:
    schedule = Schedule(clock := Clock())
    schedule.assign([bounded(until_us=START + 2 * SECOND)])
    assert run_for(schedule, clock, 5) == [1]
    schedule.assign([assignment()])
    assert run_for(schedule, clock, 2) == [6, 7]
    schedule.assign([bounded(from_us=START + 10 * SECOND)])
    assert run_for(schedule, clock, 4) == [10, 11]
    assert schedule.take_missed() == []


def test_an_end_that_is_noticed_late_still_runs_the_last_slot() -> None:
    schedule = Schedule(clock := Clock())
    schedule.assign([bounded(until_us=START + 3 * SECOND)])
    clock.pass_time(5 * SECOND)
    assert labels(schedule) == [START + 2 * SECOND]
    assert sum(missed.slots for missed in schedule.take_missed()) == 1
    assert labels(schedule) == []


def test_a_step_of_the_clock_over_a_bound_misses_only_what_was_ours() -> None:
    schedule = Schedule(clock := Clock())
    schedule.assign([bounded(until_us=START + 3 * SECOND)])
    clock.wall += 3600 * SECOND
    assert labels(schedule) == []
    assert sum(missed.slots for missed in schedule.take_missed()) == 2
