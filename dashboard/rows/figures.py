"""Figures of many results together: of a day, a span, a bucket."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class DayColumns:
    """A monitor's day: of all locations together, of each, and its hours.

    ``places``: which hour of the span ``checks``, ``failed`` and ``slow`` are of, in no order.
    Microseconds are None where nothing passed.
    """

    monitor_id: int
    median_us: int | None
    p95_us: int | None
    locations: list[str]
    medians_us: list[int | None]
    places: list[int]
    checks: list[int]
    failed: list[int]
    slow: list[int]

    @property
    def medians(self) -> dict[str, int | None]:
        """Each location's median."""
        return dict(zip(self.locations, self.medians_us, strict=True))


@dataclass(frozen=True, slots=True)
class SpanStats:
    """A span's figures. ``location`` None: of all locations shown, or of all that are not.

    ``is_shown`` None: it is one location's. ``settled``: checks no longer young.
    """

    location: str | None
    is_shown: bool | None
    checks: int
    passed: int
    settled: int
    median_us: int | None
    p95_us: int | None


@dataclass(slots=True)  # frozen ones take five times as long to make, and a chart has thousands
class SeriesRow:
    """A bucket's median passed result; where none passed, its first failed one. Of half an hour:
    the median of its ten minutes' medians.

    Of an hour and longer: the median ``total_us`` (within 4.8 %; None: nothing passed) divided in
    the proportion of the phases' sums, and ``slot_at`` None.
    """

    location: str
    bucket_at: datetime
    checks: int
    failed: int
    failed_slot_at: datetime | None
    slot_at: datetime | None
    total_us: int | None
    redirect_us: int | None
    dns_us: int | None
    connect_us: int | None
    tls_us: int | None
    wait_us: int | None
    receive_us: int | None
    resources_us: int | None


@dataclass(slots=True)
class SeriesColumns:
    """A location's `SeriesRow`s as columns, which take a tenth of the time to read.

    ``places``: which bucket of the span each value is of, in order. Microseconds are None where
    nothing passed. ``slot_us``: of the result to open, from the bucket's begin on.
    """

    location: str
    places: list[int]
    checks: list[int]
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


@dataclass(frozen=True, slots=True)
class HeatRow:
    """A bucket at a location; ``median_us`` None: nothing passed."""

    location: str
    bucket_at: datetime
    checks: int
    failed: int
    median_us: int | None


@dataclass(slots=True)
class HeatColumns:
    """A location's `HeatRow`s as columns; ``places``: which bucket of the span each value is of."""

    location: str
    places: list[int]
    checks: list[int]
    failed: list[int]
    median_us: list[int | None]


@dataclass(frozen=True, slots=True)
class BandRow:
    """A bucket of all shown locations; its percentiles are None where nothing passed."""

    bucket_at: datetime
    checks: int
    p50_us: int | None
    p75_us: int | None
    p95_us: int | None
    p99_us: int | None
