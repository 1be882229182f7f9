"""Rows of cells over time: a monitor's heat map, and the day strip of the overview. Pure.

The templates draw them; a cell's ``kind`` is its class in app.css.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import urlencode

from dashboard import words
from dashboard.rows.figures import DayRow, HeatRow
from dashboard.rows.monitor import LocationStanding
from dashboard.timespan import Timespan
from dashboard.view import View

BOUNDS_US = (50_000, 100_000, 200_000, 400_000, 800_000)
"""Upper bounds of the six steps but the last."""


class Cell(NamedTuple):
    """One bucket; ``title`` says what was in it, in our own words, which need no escaping."""

    kind: str
    title: str
    begin: datetime
    is_failed: bool = False


class Column(NamedTuple):
    """What all cells of one bucket share: when it begins, Unix seconds and in words; where they
    lie, percent; the span that they open, as it stands in HTML."""

    begin_s: int
    begin: str
    x: float
    query: str


@dataclass(frozen=True, slots=True)
class Row:
    """A location's cells, each with the place of its column; none where nothing was due.

    ``label`` says them in short to those who do not see them. ``query``: the rest of what a cell
    opens.
    """

    location: str
    title: str
    label: str
    query: str
    cells: list[tuple[int, Cell]]


def step(micros: int) -> int:
    """Which of the six steps a median falls in, 0 to 5."""
    return sum(micros >= bound for bound in BOUNDS_US)


def legend() -> list[str]:
    """The six steps in words."""
    ms = [bound // 1000 for bound in BOUNDS_US]
    between = [f"{low}\N{EN DASH}{high}" for low, high in pairwise(ms)]
    return [f"< {ms[0]}", *between, f"≥ {ms[-1]} ms"]


def columns(begins: Sequence[datetime], width: timedelta) -> list[Column]:
    """One for each bucket, evenly side by side."""
    return [
        Column(
            round(begin.timestamp()),
            f"{begin:%-d %b, %H:%M} UTC",
            round(100 * at / len(begins), 3),
            urlencode(Timespan(begin, begin + width).query, safe=":").replace("&", "&amp;"),
        )
        for at, begin in enumerate(begins)
    ]


def row(
    standing: LocationStanding,
    begins: Sequence[datetime],
    found: Mapping[datetime, HeatRow],
    due: Sequence[bool],
    seen: View,
) -> Row:
    """One location of the heat map."""
    checks = sum(bucket.checks for bucket in found.values())
    failed = sum(bucket.failed for bucket in found.values())
    return Row(
        standing.location,
        standing.title,
        f"{standing.title}: {failed:,} of {words.count(checks, 'check')} failed",
        urlencode(seen.choices(locations=(standing.location,)), safe=","),
        [
            (at, _heat(begin, bucket))
            for at, (begin, is_due) in enumerate(zip(begins, due, strict=True))
            for bucket in [found.get(begin)]
            if bucket is not None or is_due
        ],
    )


def _heat(begin: datetime, bucket: HeatRow | None) -> Cell:
    if bucket is None:
        return Cell("none", "No result", begin)
    kind = "heat-none" if bucket.median_us is None else f"heat-{step(bucket.median_us)}"
    checks = words.count(bucket.checks, "check")
    title = f"median {words.duration(bucket.median_us)}, {checks}"
    if bucket.failed:
        title += f", {bucket.failed:,} failed"
    return Cell(kind, title, begin, is_failed=bucket.failed > 0)


def strip(
    begins: Sequence[datetime], found: Mapping[datetime, DayRow], due: Sequence[bool]
) -> list[Cell]:
    """A monitor's day: the worst of every bucket."""
    return [
        _worst(begin, found.get(begin), is_due=is_due)
        for begin, is_due in zip(begins, due, strict=True)
    ]


def _worst(begin: datetime, bucket: DayRow | None, *, is_due: bool) -> Cell:
    if bucket is None:
        return Cell("none" if is_due else "future", "No result", begin)
    checks = words.count(bucket.checks, "check")
    if bucket.failed:
        return Cell("down", f"{bucket.failed:,} of {checks} failed", begin, is_failed=True)
    if bucket.slow:
        return Cell("slow", f"{bucket.slow:,} of {checks} slow", begin)
    return Cell("up", f"{checks} passed", begin)
