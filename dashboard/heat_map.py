"""What the cells of a monitor's heat map and of the overview's day strips are. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise

from dashboard import cells, words
from dashboard.cells import MISSING, NOTHING, Cell, Cells
from dashboard.rows.figures import DayColumns, HeatColumns
from dashboard.rows.incident import Outage
from dashboard.rows.monitor import LocationStanding

BOUNDS_US = (50_000, 100_000, 200_000, 400_000, 800_000)
"""Upper bounds of the six steps but the last."""

DARK = 3
"""From which step on a cross must be bright."""

NOTABLE = 0.01
"""Which share of failed checks frames a cell: the cells of a long span hold thousands, and hardly
one of them is without any."""


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


# Made once for all that are alike: medians are steps of a histogram, and counts mostly those of a
# full bucket, so a page's hundreds of cells are a few dozen.
@lru_cache(8_192)
def _cell(checks: int, failed: int, median_us: int | None) -> Cell:
    at = -1 if median_us is None else step(median_us)
    kind = "heat-none" if median_us is None else f"heat-{at}"
    says = f"median {words.duration(median_us)}, {words.count(checks, 'check')}"
    if not failed:
        return Cell(kind, says)
    cross = "cross bright" if at >= DARK else "cross"
    return Cell(kind, f"{says}, {failed:,} failed", cross, failed >= checks * NOTABLE)


def strip(
    begins: Sequence[datetime],
    width: timedelta,
    found: DayColumns | None,
    due: Sequence[bool],
    outages: Sequence[Outage],
) -> Cells:
    """A monitor's day: the worst of every bucket. Only what was an outage is drawn as one."""
    drawn = [MISSING if is_due else NOTHING for is_due in due]
    if found is not None:
        buckets = zip(found.places, found.checks, found.failed, found.slow, strict=True)
        for at, checks, failed, slow in buckets:
            is_out = failed > 0 and any(
                each.touches(begins[at], begins[at] + width) for each in outages
            )
            drawn[at] = _worst(checks, failed, slow, is_out)
    return cells.draw(drawn)


@lru_cache(8_192)
def _worst(checks: int, failed: int, slow: int, is_out: bool) -> Cell:
    run = words.count(checks, "check")
    if failed and is_out:
        return Cell("down", f"{failed:,} of {run} failed")
    if failed:
        return Cell("slow", f"{failed:,} of {run} failed, no incident")
    if slow:
        return Cell("slow", f"{slow:,} of {run} slow or degraded")
    return Cell("up", f"{run} passed")
