from __future__ import annotations

import re
from itertools import combinations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dashboard import atlas, world

PHONE, DESK = atlas.NARROW, atlas.WIDE


@pytest.mark.parametrize(
    ("latitude", "length"),
    # From the projection's table: the length of parallels, the equator's being 1.
    [(0, 1), (15, 0.9894), (30, 0.9570), (45, 0.9006), (60, 0.8196), (75, 0.7160)],
)
def test_where_a_place_lies(latitude: float, length: float) -> None:
    east, west = world.place(latitude, 180), world.place(latitude, -180)
    assert east[0] == pytest.approx(0.5 + length / 2, abs=0.001)
    assert west[0] == pytest.approx(0.5 - length / 2, abs=0.001)
    assert east[1] == west[1] < world.place(latitude - 1, 0)[1]


def test_what_lies_outside_is_drawn_at_the_edge() -> None:
    assert world.place(-90, 0) == (0.5, 1)
    assert world.place(90, 0) == (0.5, 0)


def test_the_land_crosses_the_edge_instead_of_the_world() -> None:
    """A square in the east that goes on in the west, a speck, and Antarctica."""
    topology = {
        "transform": {"scale": [1, 1], "translate": [0, 0]},
        "arcs": [
            [[170, 60], [0, 8], [-350, 0], [0, -8], [350, 0]],
            [[10, 10], [0, 0], [1, 0], [-1, 0]],
            [[-180, -90], [360, 0], [0, 20], [-360, 0], [0, -20]],
        ],
        "objects": {
            "land": {"geometries": [{"type": "MultiPolygon", "arcs": [[[0]], [[~1], [2]]]}]}
        },
    }
    picture = world.land(topology)
    (path,) = re.findall(r'd="(.*)"', picture)
    assert path.count("M") == 1
    steps = [int(step) for step in re.findall(r"-?\d+", path.split("l")[1])]
    assert max(abs(step) for step in steps) < world.WIDTH / 10


def spot(title: str, latitude: float, longitude: float, state: str = "up") -> atlas.Spot:
    return atlas.Spot(title[:3].lower(), title, state, latitude, longitude, "100 ms")


def test_of_two_in_one_place_the_troubled_one_is_named() -> None:
    near = [spot("Frankfurt", 50.1, 8.7), spot("Offenbach", 50.1, 8.76, "down")]
    first, second = atlas.draw(near)
    assert first.spot.title == "Offenbach"
    assert first.side == "right"
    assert second.side == "left"
    crowd = [spot(f"Frankfurt {n}", 50.1, 8.7) for n in range(9)]
    assert sum(bool(dot.side) for dot in atlas.draw(crowd)) < 9


def test_beside_the_edge_a_name_stands_over_a_corner_of_its_dot() -> None:
    """Sydney's, on a phone: São Paulo's takes the place on its left."""
    dots = atlas.draw([spot("São Paulo", -23.4, -46.5), spot("Sydney", -33.9, 151.2)])
    sides = [(dot.side, dot.is_wide_only) for dot in dots]
    assert sides == [("right", False), ("below-left", False)]


LATITUDES, LONGITUDES = st.floats(-90, 90), st.floats(-180, 180)


@given(st.lists(st.tuples(LATITUDES, LONGITUDES), max_size=20))
@example([(0, 34), (8, -27), (8, -31), (0, 38)])  # apart on a phone, and not on a desk
def test_no_name_lies_over_another(places: list[tuple[float, float]]) -> None:
    dots = atlas.draw([spot(f"Place {n}", *where) for n, where in enumerate(places)])
    for width in (PHONE, 400, 450, 500, DESK, 620, 700, 850, atlas.WIDEST):
        shown = [dot for dot in dots if dot.side and (width >= DESK or not dot.is_wide_only)]
        boxes = [atlas._box(dot, dot.side, width) for dot in shown]
        assert not any(_overlap(*pair) for pair in combinations(boxes, 2))
        if width <= DESK:
            assert all(box[0] >= -0.001 and box[2] <= width + 0.001 for box in boxes)


def _overlap(one: atlas.Box, other: atlas.Box) -> bool:
    """By more than a hair, on each of the four sides."""
    apart = (one[0] - other[2], other[0] - one[2], one[1] - other[3], other[1] - one[3])
    return max(apart) < -0.001
