"""What the cells of a monitor's heat map and of the overview's day strips are. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from dashboard import cells, words
from dashboard.cells import MISSING, NOTHING, Cell, Cells
from dashboard.rows.figures import DayRow, HeatColumns
from dashboard.rows.incident import Outage
from dashboard.rows.monitor import LocationStanding

BOUNDS_US = (50_000, 100_000, 200_000, 400_000, 800_000)
"""Upper bounds of the six steps but the last."""

DARK = 3
"""From which step on a cross must be bright."""


@dataclass(frozen=True, slots=True)
class Row:
    """A location's cells; ``label`` says them in short to those who do not see them."""

    location: str
    title: str
    label: str
    cells: Cells


def step(micros: int) -> int:
    """Which of the six steps a median falls in, 0 to 5."""
    return sum(micros >= bound for bound in BOUNDS_US)


def legend() -> list[str]:
    """The six steps in words."""
    ms = [bound // 1000 for bound in BOUNDS_US]
    between = [f"{low}\N{EN DASH}{high}" for low, high in pairwise(ms)]
    return [f"< {ms[0]}", *between, f"≥ {ms[-1]} ms"]


def row(standing: LocationStanding, found: HeatColumns | None, due: Sequence[bool]) -> Row:
    """One location of the heat map. ``due``: in which buckets there should be something."""
    drawn = [MISSING if is_due else NOTHING for is_due in due]
    checks, failed = 0, 0
    if found is not None:
        checks, failed = sum(found.checks), sum(found.failed)
        buckets = zip(found.places, found.checks, found.failed, found.median_us, strict=True)
        for at, number, down, median_us in buckets:
            drawn[at] = _cell(number, down, median_us)
    label = f"{standing.title}: {failed:,} of {words.count(checks, 'check')} failed"
    return Row(standing.location, standing.title, label, cells.draw(drawn))


def _cell(checks: int, failed: int, median_us: int | None) -> Cell:
    at = -1 if median_us is None else step(median_us)
    kind = "heat-none" if median_us is None else f"heat-{at}"
    says = f"median {words.duration(median_us)}, {words.count(checks, 'check')}"
    if not failed:
        return Cell(kind, says)
    return Cell(kind, f"{says}, {failed:,} failed", "cross bright" if at >= DARK else "cross")


def strip(
    begins: Sequence[datetime],
    width: timedelta,
    found: Mapping[datetime, DayRow],
    due: Sequence[bool],
    outages: Sequence[Outage],
) -> Cells:
    """A monitor's day: the worst of every bucket. Only what was an outage is drawn as one."""
    return cells.draw(
        [
            _worst(
                found.get(begin),
                is_due=is_due,
                is_out=any(outage.touches(begin, begin + width) for outage in outages),
            )
            for begin, is_due in zip(begins, due, strict=True)
        ]
    )


def _worst(bucket: DayRow | None, *, is_due: bool, is_out: bool) -> Cell:
    if bucket is None:
        return MISSING if is_due else NOTHING
    checks = words.count(bucket.checks, "check")
    if bucket.failed and is_out:
        return Cell("down", f"{bucket.failed:,} of {checks} failed")
    if bucket.failed:
        return Cell("slow", f"{bucket.failed:,} of {checks} failed, no incident")
    if bucket.slow:
        return Cell("slow", f"{bucket.slow:,} of {checks} slow")
    return Cell("up", f"{checks} passed")
