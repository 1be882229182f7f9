"""Dots on the world map, and which of their names fit. Pure; the template writes them down.

Positions are shares, so that letters keep their size on every screen. Names are set for a phone
first, then those that only a wide map has room for; a name that would lie over another is left
out: the table beside the map has them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from dashboard import words, world

NARROW, WIDE, WIDEST = 330.0, 560.0, 1120.0
"""How many pixels the map is across: at least, on a phone and elsewhere, and at most."""

LETTER, LINE, DOT, GAP = 7.5, 17.0, 7.0, 10.0
# Where a name may stand, the best first; at the map's edge only a corner may be free.
BESIDE = ("right", "left", "above", "below")
SIDES = (*BESIDE, "below-left", "above-left", "below-right", "above-right")

Box = tuple[float, float, float, float]
# What something covers on the narrowest map in question and on the widest; in between, each edge
# lies in proportion.
Span = tuple[Box, Box]


@dataclass(frozen=True, slots=True)
class Spot:
    """A location and how it stands there: also ``failure``, see `words.state`.

    ``note``: a figure in words, may be empty.
    """

    name: str
    title: str
    state: str
    latitude: float
    longitude: float
    note: str = ""
    failure: str | None = None

    @property
    def label(self) -> str:
        """What is written beside its dot."""
        return f"{self.title} {self.note}".strip()

    @property
    def words(self) -> str:
        """The same for those who do not see it."""
        stands = words.state(self.state, self.failure)
        return ", ".join(part for part in (self.title, stands, self.note) if part)


@dataclass(frozen=True, slots=True)
class Dot:
    """A spot on the map. ``side``: where its name stands; empty: nowhere."""

    spot: Spot
    x: float
    y: float
    side: str = ""
    is_wide_only: bool = False


def draw(spots: Sequence[Spot]) -> Sequence[Dot]:
    """Every spot's dot, those with a problem first: their names are to be seen."""
    return _drawn(tuple(spots))


# To find room for twenty names takes milliseconds, and the next page has the same to place.
@lru_cache(maxsize=256)
def _drawn(spots: tuple[Spot, ...]) -> Sequence[Dot]:
    ordered = sorted(spots, key=lambda spot: words.SEVERITY.index(spot.state))
    dots = [Dot(spot, *world.place(spot.latitude, spot.longitude)) for spot in ordered]
    return _named(_named(dots, NARROW), WIDE)


def _named(dots: Sequence[Dot], width: float) -> list[Dot]:
    """Give names to the dots that have none, where maps of this width and above have room."""
    taken = [_span(dot, dot.side, width) for dot in dots if dot.side]
    taken += [(_around(dot, width), _around(dot, WIDEST)) for dot in dots]
    named = []
    for dot in dots:
        if not dot.side:
            side, span = next(_room(dot, width, taken), ("", None))
            if span is not None:
                taken.append(span)
                dot = replace(dot, side=side, is_wide_only=width > NARROW)
        named.append(dot)
    return named


def _room(dot: Dot, width: float, taken: Sequence[Span]) -> Iterator[tuple[str, Span]]:
    for side in SIDES:
        span = _span(dot, side, width)
        left, top, right, bottom = span[0]
        is_inside = left >= 0 and right <= width and top >= 0 and bottom <= _height(width)
        if is_inside and not any(_meet(span, other) for other in taken):
            yield side, span


def _span(dot: Dot, side: str, width: float) -> Span:
    return _box(dot, side, width), _box(dot, side, WIDEST)


def _box(dot: Dot, side: str, width: float) -> Box:
    """Left, top, right and bottom of a dot's name, in pixels."""
    x, y, length = dot.x * width, dot.y * _height(width), LETTER * len(dot.spot.label)
    left, top = {
        "right": (x + GAP, y - LINE / 2),
        "left": (x - GAP - length, y - LINE / 2),
        "above": (x - length / 2, y - DOT - LINE),
        "below": (x - length / 2, y + DOT),
        "below-left": (x + DOT - length, y + DOT),
        "above-left": (x + DOT - length, y - DOT - LINE),
        "below-right": (x - DOT, y + DOT),
        "above-right": (x - DOT, y - DOT - LINE),
    }[side]
    return left, top, left + length, top + LINE


def _around(dot: Dot, width: float) -> Box:
    x, y = dot.x * width, dot.y * _height(width)
    return x - DOT, y - DOT, x + DOT, y + DOT


def _height(width: float) -> float:
    return width * world.HEIGHT / world.WIDTH


def _meet(one: Span, other: Span) -> bool:
    """Whether they overlap on a map of any width: on all four sides at once."""
    (narrow, wide), (other_narrow, other_wide) = one, other
    first, last = 0.0, 1.0
    # One side after the other, since most lie far apart already on the first.
    for begin, end in ((0, 2), (2, 0), (1, 3), (3, 1)):
        sign = 1 if begin < end else -1
        # How far apart they lie on this side, on either map; below 0: not at all.
        apart = sign * (narrow[begin] - other_narrow[end])
        apart_wide = sign * (wide[begin] - other_wide[end])
        if apart >= 0:
            if apart_wide >= 0:
                return False
            first = max(first, apart / (apart - apart_wide))
        elif apart_wide >= 0:
            last = min(last, apart / (apart - apart_wide))
    return first < last
