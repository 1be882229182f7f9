"""Which slots are due: fixed rate, slot k of a monitor at ``k * interval_us + offset_us``.

Pure, with an injected clock. Time is the wall clock's when it was last looked at plus what the
monotonic clock has counted since; when the two part by more than a second the wall clock was
stepped, and it is looked at anew.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from agent.missed import Missed, Reason
from agent.result import Assignment, Monitor

STEP_US = 1_000_000
# A probe's delay must fit an int32 of microseconds, however long the interval.
MAX_DELAY_US = 1_800_000_000


class Clock(Protocol):
    """Two clocks, in microseconds."""

    def wall_us(self) -> int:
        """Since the Unix epoch; may be stepped."""

    def monotonic_us(self) -> int:
        """Since some moment; never goes back."""


class SystemClock:
    """The machine's clocks."""

    def wall_us(self) -> int:
        """Since the Unix epoch; may be stepped."""
        return time.time_ns() // 1000

    def monotonic_us(self) -> int:
        """Since some moment; never goes back."""
        return time.monotonic_ns() // 1000


@dataclass(frozen=True, slots=True)
class Slot:
    """One moment at which one monitor is to be probed; ``at_us`` is its name for ever."""

    assignment: Assignment
    at_us: int


class Schedule:
    """The next slot of every assigned monitor, soonest first; O(log n) a slot."""

    def __init__(self, clock: Clock) -> None:
        self._missed: list[Missed] = []
        self._clock = clock
        self._assignments: dict[int, Assignment] = {}
        self._next_at: dict[int, int] = {}
        self._heap: list[tuple[int, int]] = []
        self._anchor()

    def now_us(self) -> int:
        """Microseconds after the Unix epoch, in steps only where the wall clock stepped."""
        return self._wall_us + self._clock.monotonic_us() - self._monotonic_us

    def monitor(self, monitor_id: int) -> Monitor | None:
        """Return an assigned monitor; None: it is not assigned, or cannot be probed."""
        assignment = self._assignments.get(monitor_id)
        return assignment.monitor if assignment and not assignment.problem else None

    def assign(self, assignments: Iterable[Assignment]) -> None:
        """Replace what is scheduled. A monitor whose slots stay the same keeps its rhythm; any
        other, and one that had come to its end, begins at its next slot.
        """
        previous, planned = self._assignments, self._next_at
        self._assignments = {a.monitor.id: a for a in assignments}
        now_us = self.now_us()
        self._next_at = {
            monitor_id: _slot_after(assignment, planned[monitor_id] - 1)
            if monitor_id in planned and _same_slots(previous[monitor_id], assignment)
            else _slot_after(assignment, now_us)
            for monitor_id, assignment in self._assignments.items()
        }
        self._rebuild()

    def due(self) -> list[Slot]:
        """Take the slots whose time has come, at most the latest one of each monitor."""
        self._follow_steps()
        now_us = self.now_us()
        slots = []
        while self._heap and self._heap[0][0] <= now_us:
            at_us, monitor_id = self._heap[0]
            assignment = self._assignments[monitor_id]
            if assignment.until_us is not None and at_us >= assignment.until_us:
                heapq.heappop(self._heap)
                del self._next_at[monitor_id]
                continue
            next_at_us = _slot_after(assignment, now_us)
            interval_us = assignment.monitor.interval_us
            latest_us = _last_slot(assignment, now_us)
            is_too_late = now_us - latest_us > MAX_DELAY_US
            self._miss(
                assignment,
                at_us,
                latest_us if is_too_late else latest_us - interval_us,
                Reason.OVERLOADED,
                "noticed more than an interval late",
            )
            if not is_too_late:
                slots.append(Slot(assignment, latest_us))
            self._next_at[monitor_id] = next_at_us
            heapq.heapreplace(self._heap, (next_at_us, monitor_id))
        return slots

    def take_missed(self) -> list[Missed]:
        """Return the slots that will never be run though they were due, each once."""
        missed, self._missed = self._missed, []
        return missed

    def wait_us(self) -> int | None:
        """How long until the next slot; 0: one is due; None: nothing is assigned."""
        return max(0, self._heap[0][0] - self.now_us()) if self._heap else None

    def _follow_steps(self) -> None:
        """After a step, go on at the next slots by the new time; those stepped over are missed."""
        if abs(self._clock.wall_us() - self.now_us()) <= STEP_US:
            return
        self._anchor()
        now_us = self.now_us()
        for monitor_id, planned_at_us in self._next_at.items():
            assignment = self._assignments[monitor_id]
            interval_us = assignment.monitor.interval_us
            next_at_us = _slot_after(assignment, now_us)
            last_us = _last_slot(assignment, now_us)
            self._miss(assignment, planned_at_us, last_us, Reason.CLOCK_STEPPED)
            # A small step back must not run a slot twice: wait for the planned one, but never
            # longer than an interval.
            if planned_at_us <= next_at_us + interval_us:
                next_at_us = max(next_at_us, planned_at_us)
            self._next_at[monitor_id] = next_at_us
        self._rebuild()

    def _miss(
        self, assignment: Assignment, from_us: int, to_us: int, reason: Reason, detail: str = ""
    ) -> None:
        if from_us <= to_us:
            monitor = assignment.monitor
            self._missed.append(
                Missed.between(monitor.id, from_us, to_us, monitor.interval_us, reason, detail)
            )

    def _anchor(self) -> None:
        self._wall_us = self._clock.wall_us()
        self._monotonic_us = self._clock.monotonic_us()

    def _rebuild(self) -> None:
        self._heap = [(at_us, monitor_id) for monitor_id, at_us in self._next_at.items()]
        heapq.heapify(self._heap)


def _same_slots(previous: Assignment, assignment: Assignment) -> bool:
    return (
        previous.offset_us == assignment.offset_us
        and previous.monitor.interval_us == assignment.monitor.interval_us
    )


def _slot_after(assignment: Assignment, moment_us: int) -> int:
    """Return the first slot after a moment that is not before the assignment's bound."""
    interval_us = assignment.monitor.interval_us
    if assignment.from_us is not None:
        moment_us = max(moment_us, assignment.from_us - 1)
    k = (moment_us - assignment.offset_us) // interval_us + 1
    return k * interval_us + assignment.offset_us


def _last_slot(assignment: Assignment, now_us: int) -> int:
    """Return the last slot up to now that the assignment holds."""
    if assignment.until_us is not None:
        now_us = min(now_us, assignment.until_us - 1)
    return _slot_after(assignment, now_us) - assignment.monitor.interval_us
