"""What is usual for a monitor at this hour of the week, and what takes longer now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dashboard.db import Reader
from dashboard.rows.baseline import Baseline
from dashboard.rows.monitor import LocationStanding, Monitor
from vantage.phase import LASTING

FACTOR = 2
"""What takes so many times as long as usual is said, whatever the alert rule says."""
LENGTH = timedelta(minutes=15)
INTERVALS = 5
MOST = timedelta(hours=1)
WEEKS, RESULTS = 3, 20
"""The history that it takes, as vantage.baselines_at has it."""


@dataclass(frozen=True, slots=True)
class Line:
    """A location: all of a result against what is usual. ``total`` None: there is no history."""

    title: str
    total: Baseline | None
    slower: list[Baseline]

    @property
    def is_known(self) -> bool:
        return self.total is not None and self.total.usual_us is not None


@dataclass(frozen=True, slots=True)
class Usual:
    """A monitor's locations against the usual hour. ``hour_at`` None: there is no history."""

    hour_at: datetime | None
    lines: list[Line]

    def title(self, phase: str) -> str:
        """What is compared, as it begins a sentence."""
        return LASTING[phase]

    @property
    def unknown(self) -> list[str]:
        """Locations that have too little history."""
        return [line.title for line in self.lines if not line.is_known]

    @property
    def weeks(self) -> int:
        """How many weeks of this hour there are, at the location that has most."""
        return max((line.total.weeks for line in self.lines if line.total), default=0)


def asked(monitor: Monitor) -> dict[str, Any]:
    """What the statement ``usual`` asks of a monitor."""
    length = min(max(LENGTH, INTERVALS * timedelta(seconds=monitor.interval_s)), MOST)
    return {"monitor_id": monitor.id, "length": length, "factor": FACTOR}


async def compared(
    reader: Reader, monitor: Monitor, standings: Sequence[LocationStanding]
) -> Usual:
    """How long each location takes now, against this hour of other weeks."""
    rows = await reader.all(Baseline, "usual", **asked(monitor))
    return Usual(
        max((row.hour_at for row in rows), default=None),
        [
            line(each.title, [row for row in rows if row.location == each.location])
            for each in standings
        ],
    )


def line(title: str, rows: Sequence[Baseline]) -> Line:
    """A location's phases that are slower; the whole only where no phase tells why."""
    total = next((row for row in rows if row.phase == "total"), None)
    slower = [row for row in rows if row.is_slower and row.phase != "total"]
    slower.sort(key=lambda row: (row.usual_us or 0) - (row.level_us or 0))
    if not slower and total is not None and total.is_slower:
        slower = [total]
    return Line(title, total, slower)
