"""A monitor's checks over a span of time: how many there were and passed, how long they took."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from dashboard.db import Reader
from dashboard.rows.figures import SpanStats
from dashboard.timespan import Timespan


@dataclass(frozen=True, slots=True)
class Counted:
    """A location's checks without maintenance."""

    location: str
    checks: int
    passed: int


async def read(
    reader: Reader,
    monitor_id: int,
    locations: Collection[str],
    span: Timespan,
    settled_at: datetime,
) -> list[SpanStats]:
    """A row for each location, and one for these ``locations`` together (and for the others).

    Sums of hours and days have maintenance in them; where there was some, checks are counted anew.
    """
    asked = {"monitor_id": monitor_id, "from_at": span.from_at, "to_at": span.to_at}
    stats = await reader.all(
        SpanStats,
        f"monitor_stats{span.grain}",
        locations=list(locations),
        settled_at=settled_at,
        **asked,
    )
    if not span.grain:
        return stats
    counted = await reader.all(Counted, "checks_without_maintenance", **asked)
    return [without_maintenance(row, counted, locations) for row in stats] if counted else stats


def without_maintenance(
    row: SpanStats, counted: Collection[Counted], locations: Collection[str]
) -> SpanStats:
    """The same with the checks of its locations."""
    own = [
        each
        for each in counted
        if (
            each.location == row.location
            if row.location
            else (each.location in locations) is row.is_shown
        )
    ]
    return replace(
        row, checks=sum(each.checks for each in own), passed=sum(each.passed for each in own)
    )
