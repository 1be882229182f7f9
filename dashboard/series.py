"""A monitor's phases over time, in buckets: what the charts draw and what can be downloaded."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from dashboard import timespan
from dashboard.rows.figures import SeriesColumns
from dashboard.rows.monitor import LocationStanding, Monitor
from dashboard.timespan import Timespan

PHASES = ("redirect", "dns", "connect", "tls", "wait", "receive", "resources")
"""In the order of a chart's stack; `wait` holds `send` as well."""

MEASURES = ("total", *PHASES)
"""What locations are compared by."""

SETTLE_S = 30


class LocationSeries(msgspec.Struct):
    """One location's columns, a value per bucket.

    ``checks``: results; 0: some were due and none came, None: none was due yet. Microseconds of
    the bucket's median passed result; None: nothing passed, or the phase does not apply.
    ``slot_us``: of the result to open, the first failed one, else the median: microseconds from
    the bucket's begin to its slot; None: there is none, or the bucket is an hour or longer.
    """

    location: str
    title: str
    checks: list[int | None]
    failed: list[int]
    total_us: list[int | None]
    redirect_us: list[int | None]
    dns_us: list[int | None]
    connect_us: list[int | None]
    tls_us: list[int | None]
    wait_us: list[int | None]
    receive_us: list[int | None]
    resources_us: list[int | None]
    slot_us: list[int | None]

    def measure(self, name: str) -> list[int | None]:
        """The column of the whole or of a phase."""
        column: list[int | None] = getattr(self, f"{name}_us")
        return column

    @property
    def peak_us(self) -> int:
        """The longest total; 0: nothing passed."""
        return max((total for total in self.total_us if total), default=0)


class Series(msgspec.Struct):
    """``times``: the buckets' begins, Unix seconds, evenly ``bucket_s`` apart."""

    from_s: float
    to_s: float
    bucket_s: int
    times: list[int]
    locations: list[LocationSeries]

    @property
    def peak_us(self) -> int:
        """The longest total of all locations; 0: nothing passed."""
        return max((place.peak_us for place in self.locations), default=0)


def settled_at(span: Timespan, monitor: Monitor, now: datetime) -> datetime:
    """Before when a result of the span that is not there will hardly come any more."""
    patience = timedelta(microseconds=monitor.timeout_us, seconds=SETTLE_S)
    return max(span.from_at, min(span.to_at, now - patience))


def build(
    found: Sequence[SeriesColumns],
    standings: Sequence[LocationStanding],
    span: Timespan,
    width: timedelta,
    settled: datetime,
) -> Series:
    """Spread columns over the span's buckets."""
    begins = timespan.buckets(span, width)
    columns = {each.location: each for each in found}
    return Series(
        from_s=span.from_at.timestamp(),
        to_s=span.to_at.timestamp(),
        bucket_s=round(width.total_seconds()),
        times=[round(begin.timestamp()) for begin in begins],
        locations=[
            _location(
                standing,
                columns.get(standing.location),
                due(begins, width, standing.first_slot_at, settled),
            )
            for standing in standings
        ],
    )


def due(
    begins: Sequence[datetime],
    width: timedelta,
    first_slot_at: datetime | None,
    settled: datetime,
) -> list[bool]:
    """Of which buckets, in their order, a result should be there: between the first ever and the
    settled ones."""
    if first_slot_at is None:
        return [False] * len(begins)
    first = bisect_left(begins, first_slot_at)
    end = max(first, bisect_right(begins, settled - width))
    return [False] * first + [True] * (end - first) + [False] * (len(begins) - end)


def _location(
    standing: LocationStanding, found: SeriesColumns | None, expected: Sequence[bool]
) -> LocationSeries:
    places = found.places if found else []
    # Nearly always no bucket between them is empty: then a column is put in its place in one piece.
    is_unbroken = bool(places) and places[-1] - places[0] == len(places) - 1
    nothing = [0 if is_due else None for is_due in expected]
    without: list[None] = [None] * len(expected)

    def spread(name: str, instead: Sequence[Any]) -> list[Any]:
        """A column with a value for every bucket."""
        values = getattr(found, name) if found else []
        if is_unbroken:
            return [*instead[: places[0]], *values, *instead[places[-1] + 1 :]]
        column = list(instead)
        for place, value in zip(places, values, strict=True):
            column[place] = value
        return column

    return LocationSeries(
        location=standing.location,
        title=standing.title,
        checks=spread("checks", nothing),
        failed=spread("failed", [0] * len(expected)),
        slot_us=spread("slot_us", without),
        **{f"{name}_us": spread(f"{name}_us", without) for name in MEASURES},
    )
