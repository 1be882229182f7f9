"""Slots that were due and not run: each is told exactly once, neighbours in one record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

# How long a run of missed slots may grow before it is told. At most one record a monitor in this
# time, and one for each time that a monitor is run again: an overloaded agent hardly notices.
HOLD_US = 60_000_000


class Reason(StrEnum):
    """Why a slot was not run; docs/gaps.md explains them."""

    OVERLOADED = "overloaded"
    OVERLAP = "overlap"
    SPOOL_FULL = "spool_full"
    CLOCK_STEPPED = "clock_stepped"
    AGENT_STOPPED = "agent_stopped"
    MONITOR_UNUSABLE = "monitor_unusable"
    AGENT_FAULT = "agent_fault"


@dataclass(frozen=True, slots=True)
class Missed:
    """``slots`` slots of one monitor, the first at ``from_us`` and the last at ``to_us``.

    ``interval_us``: from one to the next. Instants are Unix microseconds.
    """

    monitor_id: int
    from_us: int
    to_us: int
    slots: int
    interval_us: int
    reason: Reason
    detail: str = ""

    @classmethod
    def between(
        cls,
        monitor_id: int,
        from_us: int,
        to_us: int,
        interval_us: int,
        reason: Reason,
        detail: str = "",
    ) -> Missed:
        """Every slot from ``from_us`` to ``to_us``, both included."""
        slots = (to_us - from_us) // interval_us + 1
        return cls(monitor_id, from_us, to_us, slots, interval_us, reason, detail)

    def followed_by(self, later: Missed) -> Missed | None:
        """Return both as one; None: they are no neighbours, or not missed for one reason."""
        if replace(later, from_us=self.from_us, to_us=self.to_us, slots=self.slots) != self:
            return None
        if later.from_us != self.to_us + self.interval_us:
            return None
        return replace(self, to_us=later.to_us, slots=self.slots + later.slots)


class Ledger:
    """Gathers missed slots until they are to be told."""

    def __init__(self) -> None:
        self._growing: dict[int, tuple[Missed, int]] = {}
        self._complete: list[Missed] = []

    def add(self, missed: Missed, now_us: int) -> None:
        """Note slots that were not run; ``now_us`` counts by a clock that never goes back."""
        growing = self._growing.get(missed.monitor_id)
        if growing is not None:
            earlier, since_us = growing
            if both := earlier.followed_by(missed):
                self._growing[missed.monitor_id] = both, since_us
                return
            self.ran(missed.monitor_id)
        self._growing[missed.monitor_id] = missed, now_us

    def ran(self, monitor_id: int) -> None:
        """Note that a monitor is run again: what it missed before is complete."""
        if growing := self._growing.pop(monitor_id, None):
            self._complete.append(growing[0])

    def take(self, now_us: int | None = None) -> list[Missed]:
        """Return what is complete or has grown for long, each once; ``now_us`` None: all."""
        # They lie in the order in which they began: looking costs nothing while none is ripe.
        while self._growing:
            monitor_id, (_, since_us) = next(iter(self._growing.items()))
            if now_us is not None and now_us - since_us < HOLD_US:
                break
            self.ran(monitor_id)
        taken, self._complete = self._complete, []
        return taken
