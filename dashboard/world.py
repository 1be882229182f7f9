"""The world as a flat picture: where a place lies on it, and the outline of its land.

The Natural Earth projection by its polynomial (Šavrič, Jenny, Patterson, Petrovič, Hurni: A
Polynomial Equation for the Natural Earth Projection, 2011), between Greenland's north and Cape
Horn. The build hook draws the land once, with the standard library only; pages place dots.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import pi, radians
from typing import Any

NORTH, SOUTH = 84.0, -57.0
WIDTH = 1000
SMALLEST = 4.0
"""Islands of a smaller area, in squares of a thousandth of the width, are left out."""

Point = tuple[float, float]


def _flat(latitude: float, longitude: float) -> Point:
    phi, lam = radians(latitude), radians(longitude)
    p2 = phi * phi
    p4 = p2 * p2
    x = lam * (0.8707 - 0.131979 * p2 + p4 * (-0.013791 + p4 * (0.003971 * p2 - 0.001529 * p4)))
    y = phi * (1.007226 + p2 * (0.015085 + p4 * (-0.044475 + 0.028874 * p2 - 0.005916 * p4)))
    return x, y


HALF = 0.8707 * pi
TOP, BOTTOM = _flat(NORTH, 0)[1], _flat(SOUTH, 0)[1]
HEIGHT = round(WIDTH * (TOP - BOTTOM) / (2 * HALF))


def place(latitude: float, longitude: float) -> Point:
    """How far from the left and from the top, as shares of the picture's width and height.

    What lies further south or north is drawn at its edge.
    """
    x, y = _flat(min(NORTH, max(SOUTH, latitude)), longitude)
    return (x + HALF) / (2 * HALF), (TOP - y) / (TOP - BOTTOM)


def land(topology: dict[str, Any]) -> str:
    """The outline of a TopoJSON's land as an SVG of `WIDTH` by `HEIGHT`."""
    drawn = "".join(_path(ring) for ring in _rings(topology) if _area(ring) >= SMALLEST)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f'<path d="{drawn}"/></svg>\n'
    )


def _rings(topology: dict[str, Any]) -> Iterator[list[tuple[int, int]]]:
    """Every ring on the picture's grid. A ring's arcs share their ends; ~n is arc n backwards."""
    arcs = [list(_decoded(arc, topology["transform"])) for arc in topology["arcs"]]
    for shape in topology["objects"]["land"]["geometries"]:
        polygons = shape["arcs"] if shape["type"] == "MultiPolygon" else [shape["arcs"]]
        for ring in (ring for polygon in polygons for ring in polygon):
            points = [
                point
                for number in ring
                for point in (arcs[number] if number >= 0 else reversed(arcs[~number]))
            ]
            # Antarctica, where nobody has a server.
            if max(latitude for latitude, _ in points) > SOUTH:
                yield _gridded(_unwound(points))


def _decoded(arc: Sequence[Sequence[int]], transform: dict[str, Any]) -> Iterator[Point]:
    """Latitudes and longitudes of an arc, whose points are told as steps."""
    (x_scale, y_scale), (x_begin, y_begin) = transform["scale"], transform["translate"]
    x = y = 0
    for x_step, y_step in arc:
        x, y = x + x_step, y + y_step
        yield y * y_scale + y_begin, x * x_scale + x_begin


def _unwound(points: Sequence[Point]) -> list[Point]:
    """A ring that crosses the 180th meridian goes on beyond it instead of around the world."""
    unwound = [points[0]]
    for latitude, longitude in points[1:]:
        turns = round((unwound[-1][1] - longitude) / 360)
        unwound.append((latitude, longitude + 360 * turns))
    around = 360 * round(sum(longitude for _, longitude in unwound) / len(unwound) / 360)
    return [(latitude, longitude - around) for latitude, longitude in unwound]


def _gridded(points: Sequence[Point]) -> list[tuple[int, int]]:
    ring: list[tuple[int, int]] = []
    for latitude, longitude in points:
        x, y = place(latitude, longitude)
        point = round(x * WIDTH), round(y * HEIGHT)
        if ring[-1:] != [point]:
            ring.append(point)
    return ring


def _area(ring: Sequence[tuple[int, int]]) -> float:
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise([*ring, ring[0]]))) / 2


def _path(ring: Sequence[tuple[int, int]]) -> str:
    steps = "".join(f"{x1 - x0} {y1 - y0} " for (x0, y0), (x1, y1) in pairwise(ring))
    return f"M{ring[0][0]} {ring[0][1]}l{steps.replace(' -', '-').strip()}z"
