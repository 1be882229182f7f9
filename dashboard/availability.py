"""A monitor's checks over a span of time: how many there were and passed, how long they took."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from dashboard.db import Reader
from dashboard.rows.figures import SpanStats
from dashboard.scene import Scene
from dashboard.timespan import Timespan


@dataclass(frozen=True, slots=True)
class Counted:
    """A location's checks without maintenance."""

    location: str
    checks: int
    passed: int


@dataclass(frozen=True, slots=True)
class Due:
    """How many slots a location had in a span, from its first result on."""

    location: str
    due: int


@dataclass(frozen=True, slots=True)
class Checks:
    """A monitor's checks over the span of a scene: of the locations that are shown together, and at
    each. ``missing``: slots that were due long enough ago and have no result."""

    overall: SpanStats | None
    at: dict[str, SpanStats]
    missing: int
    missing_at: dict[str, int]

    def by_location(self, scene: Scene) -> list[LocationChecks]:
        """A row for each location that the scene has, as its page lists them."""
        found = []
        for each in scene.standings:
            own = self.at.get(each.location)
            found.append(
                LocationChecks(
                    location=each.location,
                    title=each.title,
                    checks=own.checks if own else 0,
                    passed=own.passed if own else 0,
                    missing=self.missing_at[each.location],
                    median_us=own.median_us if own else None,
                    p95_us=own.p95_us if own else None,
                )
            )
        return found


@dataclass(frozen=True, slots=True)
class LocationChecks:
    """A location's checks over a span: of those that passed, the median and p95; None: none did."""

    location: str
    title: str
    checks: int
    passed: int
    missing: int
    median_us: int | None
    p95_us: int | None


async def checks(reader: Reader, scene: Scene) -> Checks:
    """Count them."""
    shown = scene.shown
    stats = await read(
        reader,
        scene.monitor.id,
        [standing.location for standing in shown],
        scene.view.span,
        scene.settled_at,
    )
    due = await _due(reader, scene)
    at = {row.location: row for row in stats if row.location}
    overall = next((row for row in stats if row.is_shown), None)
    return Checks(
        overall=overall,
        at=at,
        missing=_missing(overall, sum(due.get(standing.location, 0) for standing in shown)),
        missing_at={
            each.location: _missing(at.get(each.location), due.get(each.location, 0))
            for each in scene.standings
        },
    )


def _missing(stats: SpanStats | None, due: int) -> int:
    return max(0, due - (stats.settled if stats else 0))


async def _due(reader: Reader, scene: Scene) -> dict[str, int]:
    """How many results each location should have by now, counted from its first ever."""
    first = {s.location: s.first_slot_at for s in scene.standings if s.first_slot_at is not None}
    rows = await reader.all(
        Due,
        "slots_due",
        monitor_id=scene.monitor.id,
        locations=list(first),
        from_ats=[max(scene.view.span.from_at, at) for at in first.values()],
        settled_at=scene.settled_at,
    )
    return {row.location: row.due for row in rows}


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
