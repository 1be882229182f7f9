"""Cells over time, evenly side by side: the rows of a heat map, the strip of a day. Pure.

A page has them by the hundred, so they are no elements of their own: all of a kind are one outline,
and what they say stands beside them in one piece, which reading.js reads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

HEIGHT = 20
NONE = "none"
# From where a cell begins, down to the floor and back: so high are the bars of a strip, while all
# other cells are as high as the box.
BAR = f"0h.9v{HEIGHT}h-.9z"
BARS = {"up": f"9h.9v{HEIGHT - 9}h-.9z", "slow": f"4h.9v{HEIGHT - 4}h-.9z"}


class Cell(NamedTuple):
    """``kind``: its class in app.css; empty: nothing was due. ``says``: what was in it, in our own
    words, which need no escaping. ``cross``: the class of what crosses it out; empty: nothing.
    ``is_framed``: what crosses it out is worth a frame."""

    kind: str
    says: str
    cross: str = ""
    is_framed: bool = False


class Clock(NamedTuple):
    """When the first of some cells begins, and how long each lasts."""

    begin: datetime
    width: timedelta


NOTHING = Cell("", "")
MISSING = Cell(NONE, "No result")


@dataclass(frozen=True, slots=True)
class Cells:
    """In a box as wide as there are cells and `HEIGHT` high.

    ``outlines``: a class, and where all that have it are. ``holes``: the first of some cells
    without a result, and how many: they are hatched, which a stretched box would distort.
    ``says``: what all of them say, a bar between two.
    """

    width: int
    outlines: list[tuple[str, str]]
    holes: list[tuple[int, int]]
    says: str
    count: int


def draw(cells: Sequence[Cell]) -> Cells:
    """``count``: how many of them say something."""
    kinds: dict[str, list[str]] = defaultdict(list)
    crosses: dict[str, list[str]] = defaultdict(list)
    for at, (kind, _, cross, is_framed) in enumerate(cells):
        if kind and kind != NONE:
            kinds[kind].append(f"M{at} {BARS.get(kind, BAR)}")
        if is_framed:
            crosses["failed"].append(f"M{at} {BAR}")
        if cross:
            crosses[cross].append(f"M{at}.2 7.5l.5 5m0-5l-.5 5")
    drawn = {**kinds, **crosses}
    says = [cell.says for cell in cells]
    return Cells(
        width=len(cells),
        outlines=[(name, "".join(pieces)) for name, pieces in drawn.items()],
        holes=_holes(cells) if MISSING in cells else [],
        says="|".join(says),
        count=len(says) - says.count(""),
    )


def _holes(cells: Sequence[Cell]) -> list[tuple[int, int]]:
    runs = groupby(range(len(cells)), key=lambda at: cells[at].kind == NONE)
    found = [list(run) for is_hole, run in runs if is_hole]
    return [(run[0], len(run)) for run in found]
