"""Rows of cells over time: a monitor's heat map, and the day strip of the overview. Pure.

A cell's ``kind`` is its class in app.css. The templates draw strips; a heat map has cells by the
hundred, which take a template several times as long as all that they say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import urlencode

from markupsafe import Markup, escape

from dashboard import words
from dashboard.rows.figures import DayRow, HeatColumns
from dashboard.rows.incident import Outage
from dashboard.rows.monitor import LocationStanding
from dashboard.timespan import Timespan
from dashboard.view import View

BOUNDS_US = (50_000, 100_000, 200_000, 400_000, 800_000)
"""Upper bounds of the six steps but the last."""


class Cell(NamedTuple):
    """One bucket of a strip; ``title`` says what was in it, in our own words, which need no
    escaping."""

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
    """A location's cells as the inside of an SVG, each a link to what it is of; none where nothing
    was due. ``label`` says them in short to those who do not see them."""

    location: str
    title: str
    label: str
    cells: Markup
    count: int


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
    columns: Sequence[Column],
    found: HeatColumns | None,
    due: Sequence[bool],
    seen: View,
) -> Row:
    """One location of the heat map."""
    buckets: dict[int, tuple[int, int, int | None]] = {}
    if found is not None:
        values = zip(found.checks, found.failed, found.median_us, strict=True)
        buckets = dict(zip(found.places, values, strict=True))
    checks, failed = (sum(found.checks), sum(found.failed)) if found else (0, 0)
    query = str(escape(urlencode(seen.choices(locations=(standing.location,)), safe=",")))
    width = round(90 / (len(columns) or 1), 3)
    cells = [
        _cell(column, query, width, buckets.get(at))
        for at, (column, is_due) in enumerate(zip(columns, due, strict=True))
        if is_due or at in buckets
    ]
    return Row(
        standing.location,
        standing.title,
        f"{standing.title}: {failed:,} of {words.count(checks, 'check')} failed",
        # Our own words and numbers, and an address that was escaped.
        Markup("".join(cells)),  # noqa: S704
        len(cells),
    )


def _cell(
    column: Column, query: str, width: float, bucket: tuple[int, int, int | None] | None
) -> str:
    """Lies at percentages, not in a stretched box: hatching and crosses keep their proportions."""
    begin_s, begin, x, span = column
    kind, title, cross = "none", "No result", ""
    if bucket is not None:
        checks, failed, median_us = bucket
        kind = "heat-none" if median_us is None else f"heat-{step(median_us)}"
        title = f"median {words.duration(median_us)}, {words.count(checks, 'check')}"
        if failed:
            kind += " failed"
            title += f", {failed:,} failed"
            cross = (
                f'<svg x="{x}%" y="1" width="{width}%" height="26" viewBox="0 0 10 10">'
                '<path class="cross" d="M2.6 2.6l4.8 4.8m0-4.8l-4.8 4.8"/></svg>'
            )
    return (
        f'<a href="?{span}&amp;{query}" tabindex="-1" data-cell>'
        f'<rect class="{kind}" x="{x}%" y="1" width="{width}%" height="26"/>{cross}'
        f'<title data-begin="{begin_s}">{begin}: {title}</title></a>'
    )


def strip(
    begins: Sequence[datetime],
    width: timedelta,
    found: Mapping[datetime, DayRow],
    due: Sequence[bool],
    outages: Sequence[Outage],
) -> list[Cell]:
    """A monitor's day: the worst of every bucket. Only what was an outage is drawn as one."""
    return [
        _worst(
            begin,
            found.get(begin),
            is_due=is_due,
            is_out=any(outage.touches(begin, begin + width) for outage in outages),
        )
        for begin, is_due in zip(begins, due, strict=True)
    ]


def _worst(begin: datetime, bucket: DayRow | None, *, is_due: bool, is_out: bool) -> Cell:
    if bucket is None:
        return Cell("none" if is_due else "future", "No result", begin)
    checks = words.count(bucket.checks, "check")
    if bucket.failed and is_out:
        return Cell("down", f"{bucket.failed:,} of {checks} failed", begin, is_failed=True)
    if bucket.failed:
        return Cell("slow", f"{bucket.failed:,} of {checks} failed, no incident", begin)
    if bucket.slow:
        return Cell("slow", f"{bucket.slow:,} of {checks} slow", begin)
    return Cell("up", f"{checks} passed", begin)
