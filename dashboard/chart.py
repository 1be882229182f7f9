"""The charts as the outlines of an SVG, for readers without scripts; charts.js draws the same for
the others. Pure; templates/picture.html writes it down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby

from dashboard.series import PHASES, LocationSeries, Series

HEIGHT = 140
STEPS = (1, 2, 2.5, 5, 10)
# As many colours as colours.css has lines; then the same again, dashed: as in lines.js.
COLOURS = 8
DASHES = ("", "7 4", "2 3")


@dataclass(frozen=True, slots=True)
class Chart:
    """Coordinates: one bucket across, `HEIGHT` down. Colours are names of colours.css.

    ``outlines``: a colour and its outline, the tallest first. ``lines``: a colour, its dashes, and
    the line. ``limit``: how far down slowness begins; None: above all of it. ``none``, ``failed``,
    ``broken``: buckets without a result, with a failure, with nothing else.
    """

    title: str
    width: int
    levels: list[tuple[float, int]]
    failed: list[int]
    outlines: list[tuple[str, str]] = field(default_factory=list)
    lines: list[tuple[str, str, str]] = field(default_factory=list)
    none: list[int] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)
    limit: float | None = None


def ticks(peak_us: int, wanted: int = 3) -> list[int]:
    """Round values from 0 up to the first at or above ``peak_us``."""
    peak = max(peak_us, 1_000)
    rough = peak / wanted
    power = 10 ** (len(str(int(rough))) - 1)
    step = next(int(part * power) for part in STEPS if part * power >= rough)
    return list(range(0, -(-peak // step) * step + 1, step))


def levels(top: Sequence[int]) -> list[tuple[float, int]]:
    """How far down each tick lies, and what it stands for."""
    return [(y(level, top[-1]), level) for level in top]


def compare(
    series: Series, measure: str, numbers: Mapping[str, int], limit_us: int | None
) -> Chart:
    """One line per location, of the whole time or of one phase; ``numbers``: which colours.

    ``limit_us``: from where on it is slow; None: nowhere.
    """
    columns = {place.location: place.measure(measure) for place in series.locations}
    scale = ticks(max((us for column in columns.values() for us in column if us), default=0))
    failed = {at for place in series.locations for at, number in enumerate(place.failed) if number}
    return Chart(
        title="All locations",
        width=len(series.times),
        levels=levels(scale),
        failed=sorted(failed),
        lines=[
            (f"line-{number % COLOURS}", DASHES[number // COLOURS % len(DASHES)], drawn)
            for location, column in columns.items()
            for number, drawn in [(numbers[location], line(column, scale[-1]))]
        ],
        limit=limit(limit_us, scale[-1]),
    )


def line(values: Sequence[int | None], top_us: int) -> str:
    """Through the middle of each bucket that has a value, broken where one has none."""
    runs = groupby(enumerate(values), key=lambda pair: pair[1] is not None)
    return "".join(_through(list(run), top_us) for is_there, run in runs if is_there)


def _through(points: Sequence[tuple[int, int | None]], top_us: int) -> str:
    first, *rest = [f"{at + 0.5} {y(micros or 0, top_us)}" for at, micros in points]
    return f"M{first}" + ("L" + " ".join(rest) if rest else "h.01")


def draw(series: Series, *, same_scale: bool, limit_us: int | None) -> list[Chart]:
    """One chart per location, all up to the same height or each up to its own.

    ``limit_us``: from where on it is slow; None: nowhere.
    """
    return [
        _draw(place, series.peak_us if same_scale else place.peak_us, limit_us)
        for place in series.locations
    ]


def _draw(place: LocationSeries, peak_us: int, limit_us: int | None) -> Chart:
    scale = ticks(peak_us)
    pairs = list(enumerate(zip(place.checks, place.failed, strict=True)))
    return Chart(
        title=place.title,
        width=len(place.checks),
        levels=levels(scale),
        outlines=_outlines(place, scale[-1]),
        none=[at for at, (checks, _) in pairs if checks == 0],
        failed=[at for at, (_, failed) in pairs if failed],
        broken=[at for at, (checks, failed) in pairs if checks and failed == checks],
        limit=limit(limit_us, scale[-1]),
    )


def y(micros: int, top_us: int) -> float:
    """How far down ``micros`` lies in a chart that ends at ``top_us``."""
    return round(HEIGHT - HEIGHT * micros / top_us, 1)


def limit(limit_us: int | None, top_us: int) -> float | None:
    """How far down it lies, where it is in the chart."""
    return y(limit_us, top_us) if limit_us and limit_us <= top_us else None


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
