"""A location's phase chart as the outlines of an SVG, for the first look and for readers without
scripts. Pure; the template writes them down, app.css colours them.
"""

from __future__ import annotations

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
        levels=[(_y(level, levels[-1]), level) for level in levels],
        outlines=_outlines(place, levels[-1]),
        none=[at for at, (checks, _) in pairs if checks == 0],
        failed=[at for at, (_, failed) in pairs if failed],
        broken=[at for at, (checks, failed) in pairs if checks and failed == checks],
    )


def _y(micros: int, top_us: int) -> float:
    return round(HEIGHT - HEIGHT * micros / top_us, 1)


def _outlines(place: LocationSeries, top_us: int) -> list[tuple[str, str]]:
    """From the floor up to the top of each phase: drawn over each other, they make the stack."""
    columns = zip(*(place.phase(name) for name in PHASES), strict=True)
    stacks = [
        None if total is None else list(accumulate(value or 0 for value in values))
        for values, total in zip(columns, place.total_us, strict=True)
    ]
    runs = [
        [(at, stack) for at, stack in run if stack]
        for is_there, run in groupby(enumerate(stacks), key=lambda pair: pair[1] is not None)
        if is_there
    ]
    return [
        (name, "".join(_steps([(at, stack[level]) for at, stack in run], top_us) for run in runs))
        for level, name in reversed(list(enumerate(PHASES)))
        if any(place.phase(name))
    ]


def _steps(points: list[tuple[int, int]], top_us: int) -> str:
    steps = "".join(f"V{_y(micros, top_us)}h1" for _, micros in points)
    return f"M{points[0][0]} {HEIGHT}{steps}V{HEIGHT}z"
