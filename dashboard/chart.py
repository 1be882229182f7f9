"""A location's phase chart as the outlines of an SVG, for the first look and for readers without
scripts. Pure; the template writes them down, app.css colours them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

from dashboard import words
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
    label: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """All locations in one chart, coordinates as in `Chart`. ``lines``: by location."""

    width: int
    levels: list[tuple[float, int]]
    lines: dict[str, str]
    failed: list[int]
    label: str


def ticks(peak_us: int, wanted: int = 3) -> list[int]:
    """Round values from 0 up to the first at or above ``peak_us``."""
    peak = max(peak_us, 1_000)
    rough = peak / wanted
    power = 10 ** (len(str(int(rough))) - 1)
    step = next(int(part * power) for part in STEPS if part * power >= rough)
    return list(range(0, -(-peak // step) * step + 1, step))


def compare(series: Series, measure: str) -> Comparison:
    """One line per location, of the whole time or of one phase."""
    columns = {place.location: place.measure(measure) for place in series.locations}
    peak_us = max((us for column in columns.values() for us in column if us), default=0)
    levels = ticks(peak_us)
    failed = {at for place in series.locations for at, number in enumerate(place.failed) if number}
    return Comparison(
        width=len(series.times),
        levels=[(y(level, levels[-1]), level) for level in levels],
        lines={location: line(column, levels[-1]) for location, column in columns.items()},
        failed=sorted(failed),
        label="; ".join(
            f"{place.title} {extremes(columns[place.location])}" for place in series.locations
        ),
    )


def extremes(values: Sequence[int | None]) -> str:
    """The shortest and the longest of a column, in words."""
    there = [value for value in values if value is not None]
    if not there:
        return "nothing passed"
    return f"{words.duration(min(there))} to {words.duration(max(there))}"


def line(values: Sequence[int | None], top_us: int) -> str:
    """Through the middle of each bucket that has a value, broken where one has none."""
    runs = groupby(enumerate(values), key=lambda pair: pair[1] is not None)
    return "".join(_through(list(run), top_us) for is_there, run in runs if is_there)


def _through(points: Sequence[tuple[int, int | None]], top_us: int) -> str:
    first, *rest = [f"{at + 0.5} {y(micros or 0, top_us)}" for at, micros in points]
    return f"M{first}" + ("L" + " ".join(rest) if rest else "h.01")


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
        label=_label(place),
    )


def _label(place: LocationSeries) -> str:
    failed = sum(place.failed)
    checks = sum(number or 0 for number in place.checks)
    spread = extremes(place.total_us)
    return f"{place.title}: {spread}, {failed:,} of {words.count(checks, 'check')} failed"


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
    columns = zip(*(place.measure(name) for name in PHASES), strict=True)
    stacks = [
        None if total is None else list(accumulate(value or 0 for value in values))
        for values, total in zip(columns, place.total_us, strict=True)
    ]
    return [
        (name, outline([None if stack is None else stack[level] for stack in stacks], top_us))
        for level, name in reversed(list(enumerate(PHASES)))
        if any(place.measure(name))
    ]
