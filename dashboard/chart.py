"""A location's phase chart as the outlines of an SVG, for the first look and for readers without
scripts. Pure; the template writes them down, app.css colours them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

from dashboard.series import PHASES, LocationSeries, Series

HEIGHT = 140
STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Chart:
    """Coordinates: one bucket across, `HEIGHT` down. ``outlines``: the tallest first.

    ``none``, ``failed``, ``broken``: buckets without a result, with a failure, with nothing else.
    """

    location: str
    title: str
    width: int
    levels: list[tuple[float, int]]
    outlines: list[tuple[str, str]]
    none: list[int]
    failed: list[int]
    broken: list[int]


def ticks(peak_us: int, wanted: int = 3) -> list[int]:
    """Round values from 0 up to the first at or above ``peak_us``."""
    peak = max(peak_us, 1_000)
    rough = peak / wanted
    power = 10 ** (len(str(int(rough))) - 1)
    step = next(int(part * power) for part in STEPS if part * power >= rough)
    return list(range(0, -(-peak // step) * step + 1, step))


def draw(series: Series, *, same_scale: bool) -> list[Chart]:
    """One chart per location, all up to the same height or each up to its own."""
    return [
        _draw(place, series.peak_us if same_scale else place.peak_us) for place in series.locations
    ]


def _draw(place: LocationSeries, peak_us: int) -> Chart:
    levels = ticks(peak_us)
    pairs = list(enumerate(zip(place.checks, place.failed, strict=True)))
    return Chart(
        location=place.location,
        title=place.title,
        width=len(place.checks),
        levels=[(y(level, levels[-1]), level) for level in levels],
        outlines=_outlines(place, levels[-1]),
        none=[at for at, (checks, _) in pairs if checks == 0],
        failed=[at for at, (_, failed) in pairs if failed],
        broken=[at for at, (checks, failed) in pairs if checks and failed == checks],
    )


def y(micros: int, top_us: int) -> float:
    """How far down ``micros`` lies in a chart that ends at ``top_us``."""
    return round(HEIGHT - HEIGHT * micros / top_us, 1)


def outline(values: Sequence[int | None], top_us: int) -> str:
    """From the floor up to each value and down again where there is none, a bucket each."""
    runs = groupby(enumerate(values), key=lambda pair: pair[1] is not None)
    return "".join(_steps(list(run), top_us) for is_there, run in runs if is_there)


def _steps(points: Sequence[tuple[int, int | None]], top_us: int) -> str:
    steps = "".join(f"V{y(micros or 0, top_us)}h1" for _, micros in points)
    return f"M{points[0][0]} {HEIGHT}{steps}V{HEIGHT}z"


def _outlines(place: LocationSeries, top_us: int) -> list[tuple[str, str]]:
    """The top of each phase: drawn over each other, they make the stack."""
    columns = zip(*(place.phase(name) for name in PHASES), strict=True)
    stacks = [
        None if total is None else list(accumulate(value or 0 for value in values))
        for values, total in zip(columns, place.total_us, strict=True)
    ]
    return [
        (name, outline([None if stack is None else stack[level] for stack in stacks], top_us))
        for level, name in reversed(list(enumerate(PHASES)))
        if any(place.phase(name))
    ]
