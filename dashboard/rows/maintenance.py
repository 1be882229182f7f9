"""Rows about maintenance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NewType

Naive = NewType("Naive", datetime)
"""A date and a time without a zone."""


@dataclass(frozen=True, slots=True)
class Maintenance:
    """When somebody works on a monitor's target. ``monitor_id`` None: on every one."""

    id: int
    monitor_id: int | None
    from_at: datetime
    to_at: datetime
    title: str
    rule_id: int | None

    def place(self, now: datetime) -> tuple[bool, timedelta]:
        """Where it stands among others: what is under way, what comes next, what was over last."""
        is_over = self.to_at <= now
        return is_over, now - self.to_at if is_over else self.from_at - now


@dataclass(frozen=True, slots=True)
class MaintenanceRule:
    """Maintenance that comes again. ``first_at``: by the clocks of ``time_zone``."""

    id: int
    monitor_id: int | None
    first_at: Naive
    time_zone: str
    duration_s: int
    rule: str
    title: str
    next_at: datetime | None

    @property
    def length(self) -> timedelta:
        """How long each window lasts."""
        return timedelta(seconds=self.duration_s)

    @property
    def in_words(self) -> str:
        """When it comes, where the page offers such a rule; empty: it is somebody's own."""
        day = self.first_at.day
        return {
            "FREQ=DAILY": "Every day",
            "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR": "On working days",
            f"FREQ=WEEKLY;BYDAY={self.first_at:%a}"[:-1].upper(): f"Every {self.first_at:%A}",
            f"FREQ=MONTHLY;BYMONTHDAY={day}": f"Every month, on day {day}",
        }.get(self.rule, "")


@dataclass(frozen=True, slots=True)
class Became:
    """What became of something that was to be removed."""

    became: str
