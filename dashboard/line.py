"""A monitor's line in the overview: how it stands, and how it has been in the last 24 hours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

from dashboard import agreement, rendering, timespan, words
from dashboard.cells import Cells, Clock
from dashboard.db import Reader, both
from dashboard.heat_map import strip
from dashboard.rows.figures import DayColumns
from dashboard.rows.incident import Outage
from dashboard.rows.monitor import Standing, Watched
from dashboard.series import due

DAY = timedelta(hours=24)
STRIP_WIDTH = timedelta(hours=1)  # as report.results_1h has them
PATIENCE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Line:
    """``spots``: its locations, written; empty: none. ``down``: those from where it fails.

    ``day`` None: no result in 24 hours. ``last_at`` None: none ever.
    """

    monitor: Watched
    state: str
    sentence: str
    spots: Markup
    down: list[Standing]
    day: DayColumns | None
    strip: Cells
    strip_label: str
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Lines:
    """``clock``: when the strips' first hour begins."""

    all: list[Line]
    clock: Clock


async def read(reader: Reader, another: Reader, shown: Sequence[Watched], now: datetime) -> Lines:
    """What the database says of these monitors, in their order: asked by both, side by side."""
    hours = timespan.buckets(timespan.Timespan(now - DAY, now), STRIP_WIDTH)
    clock = Clock(hours[0], STRIP_WIDTH)
    if not shown:
        return Lines([], clock)
    ids = [monitor.id for monitor in shown]
    # The day takes the longest.
    (standings, outages), seen = await both(
        _told(reader, ids, hours[0], now), _days(another, ids, hours[0])
    )
    return Lines(
        [
            _line(
                monitor,
                standings[monitor.id],
                seen.get(monitor.id),
                outages[monitor.id],
                hours,
                now - PATIENCE,
            )
            for monitor in shown
        ],
        clock,
    )


async def days(reader: Reader, ids: Collection[int], now: datetime) -> Mapping[int, DayColumns]:
    """The last 24 hours of monitors, where there is a result."""
    [begin, *_] = timespan.buckets(timespan.Timespan(now - DAY, now), STRIP_WIDTH)
    return await _days(reader, ids, begin)


async def _told(
    reader: Reader, ids: Collection[int], from_at: datetime, to_at: datetime
) -> tuple[Mapping[int, list[Standing]], Mapping[int, list[Outage]]]:
    """How each stands at each location, and its outages."""
    standings: dict[int, list[Standing]] = defaultdict(list)
    rows = await reader.all(Standing, "standings", monitor_ids=ids)
    for standing in sorted(rows, key=lambda standing: words.order(standing.title)):
        standings[standing.monitor_id].append(standing)
    outages: dict[int, list[Outage]] = defaultdict(list)
    for outage in await reader.all(
        Outage, "outages", monitor_ids=ids, from_at=from_at, to_at=to_at
    ):
        outages[outage.monitor_id].append(outage)
    return standings, outages


async def _days(
    reader: Reader, ids: Collection[int], from_at: datetime
) -> Mapping[int, DayColumns]:
    rows = await reader.columns(DayColumns, "day", monitor_ids=ids, from_at=from_at)
    return {each.monitor_id: each for each in rows}


def _line(
    monitor: Watched,
    standings: Sequence[Standing],
    day: DayColumns | None,
    outages: Sequence[Outage],
    hours: Sequence[datetime],
    settled: datetime,
) -> Line:
    first_at = min((each.first_slot_at for each in standings if each.first_slot_at), default=None)
    checks, failed = (sum(day.checks), sum(day.failed)) if day else (0, 0)
    return Line(
        monitor=monitor,
        state=monitor.state,
        sentence=agreement.sentence(monitor.state, standings, slower=monitor.slower),
        spots=_spots(standings, day.medians if day else {}),
        down=[standing for standing in standings if standing.state == "down"],
        day=day,
        strip=strip(hours, STRIP_WIDTH, day, due(hours, STRIP_WIDTH, first_at, settled), outages),
        strip_label=f"Last 24 hours: {failed:,} of {words.count(checks, 'check')} failed",
        last_at=max((each.slot_at for each in standings if each.slot_at), default=None),
    )


def _spots(standings: Iterable[Standing], medians: Mapping[str, int | None]) -> Markup:
    written = (
        rendering.piece("spot", each.state, each.title, medians.get(each.location), each.failure)
        for each in standings
    )
    return Markup("".join(written))  # noqa: S704 - each is escaped
