"""What is usual and what is slower than that, worked out by hand from single results: an oracle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

WEEKS = 6
LEAST_WEEKS, LEAST_RESULTS = 3, 20
LEAST_US = 10_000


@dataclass(frozen=True)
class Usual:
    """A baseline. ``usual_us`` None: not enough history."""

    weeks: int
    results: int
    usual_us: float | None
    spread_us: float | None
    day_before_us: float | None


def quantile(values: Sequence[int], fraction: float) -> int:
    """As percentile_disc has it."""
    return sorted(values)[max(1, ceil(fraction * len(values))) - 1]


def usual(weeks: Sequence[Sequence[int]], day_before: Sequence[int]) -> Usual:
    """Make a baseline of the same hour of other weeks, one sequence each, and of yesterday's."""
    filled = [week for week in weeks if week]
    values = [us for week in filled for us in week]
    yesterday = quantile(day_before, 0.5) if day_before else None
    if len(filled) < LEAST_WEEKS or len(values) < LEAST_RESULTS:
        return Usual(len(filled), len(values), None, None, yesterday)
    spread_us = quantile(values, 0.75) - quantile(values, 0.25)
    return Usual(len(filled), len(values), quantile(values, 0.5), spread_us, yesterday)


def is_slower(level_us: float, baselines: Sequence[Usual], factor: float) -> bool:
    """Hold a median against what is usual in every hour that it touches."""
    if not baselines or any(each.usual_us is None for each in baselines):
        return False
    spread_us = max(each.spread_us or 0 for each in baselines)
    usual_us = max(max(each.usual_us or 0, each.day_before_us or 0) for each in baselines)
    return (
        level_us > factor * usual_us
        and level_us > usual_us + 2 * spread_us
        and level_us >= usual_us + LEAST_US
    )
