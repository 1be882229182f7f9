"""How response times spread over time: percentile bands as the outlines of an SVG.

Pure; the template writes them down, app.css colours them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from dashboard import chart, words
from dashboard.rows.figures import BandRow

NAMES = ("p50", "p75", "p95", "p99")


@dataclass(frozen=True, slots=True)
class Bands:
    """Coordinates as in `chart.Chart`. ``outlines``: the tallest first.

    ``says``: each bucket's values in words, as `cells.Cells`. ``label``: all of it, for those who
    do not see it.
    """

    width: int
    levels: list[tuple[float, int]]
    outlines: list[tuple[str, str]]
    says: str
    label: str


def draw(begins: Sequence[datetime], rows: Sequence[BandRow]) -> Bands | None:
    """The bands of these buckets. None: nothing passed in any."""
    found = {row.bucket_at: row for row in rows if row.p50_us is not None}
    columns = {name: _column(name, begins, found) for name in NAMES}
    peak = max((value for value in columns["p99"] if value is not None), default=None)
    if peak is None:
        return None
    levels = chart.ticks(peak)
    return Bands(
        width=len(begins),
        levels=chart.levels(levels),
        outlines=[(name, chart.outline(columns[name], levels[-1])) for name in reversed(NAMES)],
        says="|".join(_says(found.get(begin)) for begin in begins),
        label="; ".join(_range(name, columns[name]) for name in NAMES),
    )


def _column(
    name: str, begins: Sequence[datetime], found: Mapping[datetime, BandRow]
) -> list[int | None]:
    return [getattr(found[begin], f"{name}_us") if begin in found else None for begin in begins]


def _says(row: BandRow | None) -> str:
    if row is None:
        return "nothing passed"
    values = (f"{name} {words.duration(getattr(row, f'{name}_us'))}" for name in NAMES)
    return f"{', '.join(values)} of {words.count(row.checks, 'check')}"


def _range(name: str, column: Sequence[int | None]) -> str:
    values = [value for value in column if value is not None]
    return f"{name} {words.duration(min(values))} to {words.duration(max(values))}"
