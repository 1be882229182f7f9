from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from dashboard import bands, chart, heat_map, series
from dashboard.rows.figures import BandRow, DayColumns, HeatColumns, SeriesColumns
from dashboard.rows.incident import Outage
from dashboard.rows.monitor import LocationStanding
from dashboard.timespan import Timespan

BEGIN = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def standing(first_slot_at: datetime | None) -> LocationStanding:
    return LocationStanding(
        "fra", "Frankfurt", "up", *(None,) * 6, first_slot_at, None, 50.1, 8.7, False
    )


@pytest.fixture
def drawn() -> series.Series:
    """Ten minutes: not there yet, passed, missing, failed, passed again, too young."""
    found = SeriesColumns(
        location="fra",
        places=[2, 3, 5, 6, 7],
        checks=[1, 1, 1, 2, 1],
        failed=[0, 0, 1, 1, 0],
        total_us=[600, 600, None, 600, 900],
        redirect_us=[0, 0, None, 0, 0],
        dns_us=[None] * 5,
        connect_us=[600, 600, None, 600, 900],
        tls_us=[None] * 5,
        wait_us=[None] * 5,
        receive_us=[None] * 5,
        resources_us=[None] * 5,
        slot_us=[20, 30, 50, 60, 70],
    )
    return series.build(
        [found],
        [standing(BEGIN + 2 * MINUTE)],
        Timespan(BEGIN, BEGIN + 10 * MINUTE),
        MINUTE,
        settled=BEGIN + 8 * MINUTE,
    )


def test_columns_without_a_hole_keep_their_place() -> None:
    passed: dict[str, Any] = {f"{name}_us": [600, 700, 800] for name in series.MEASURES}
    found = SeriesColumns("fra", [4, 5, 6], [1, 2, 1], [0, 0, 1], slot_us=[0, 1, 2], **passed)
    ten_minutes = Timespan(BEGIN, BEGIN + 10 * MINUTE)
    (place,) = series.build(
        [found], [standing(BEGIN + 3 * MINUTE)], ten_minutes, MINUTE, BEGIN + 8 * MINUTE
    ).locations
    assert place.checks == [None, None, None, 0, 1, 2, 1, 0, None, None]
    assert place.total_us == [None] * 4 + [600, 700, 800] + [None] * 3
    assert place.slot_us == [None] * 4 + [0, 1, 2] + [None] * 3


@pytest.mark.parametrize(
    ("first", "settled", "due"),
    [(0, 5, "11111"), (1.5, 4.5, "00110"), (None, 5, "00000"), (4, 2, "00000"), (9, 9, "00000")],
)
def test_buckets_between_the_first_result_and_the_settled_ones_are_due(
    first: float | None, settled: float, due: str
) -> None:
    begins = [BEGIN + minute * MINUTE for minute in range(5)]
    first_at = None if first is None else BEGIN + first * MINUTE
    found = series.due(begins, MINUTE, first_at, BEGIN + settled * MINUTE)
    assert found == [each == "1" for each in due]


def test_no_result_is_neither_zero_nor_down(drawn: series.Series) -> None:
    (place,) = drawn.locations
    assert place.checks == [None, None, 1, 1, 0, 1, 2, 1, None, None]
    assert place.failed == [0, 0, 0, 0, 0, 1, 1, 0, 0, 0]
    assert place.total_us == [None, None, 600, 600, None, None, 600, 900, None, None]
    assert place.slot_us == [None, None, 20, 30, None, 50, 60, 70, None, None]


def test_a_line_is_broken_where_nothing_passed(drawn: series.Series) -> None:
    compared = chart.compare(drawn, "total", {"fra": 9}, None)
    assert compared.lines == [("line-1", "7 4", "M2.5 56.0L3.5 56.0M6.5 56.0L7.5 14.0")]
    assert compared.failed == [5, 6]
    assert chart.compare(drawn, "tls", {"fra": 0}, None).lines == [("line-0", "", "")]
    assert chart.line([None, 500, None], 1000) == "M1.5 70.0h.01"


def test_the_still_picture(drawn: series.Series) -> None:
    (picture,) = chart.draw(drawn, same_scale=True, limit_us=None)
    assert (picture.none, picture.failed, picture.broken) == ([4], [5, 6], [5])
    assert [level for _, level in picture.levels] == [0, 500, 1000]
    ((name, outline),) = picture.outlines
    assert name == "connect"
    assert outline == "M2 140V56.0h1V56.0h1V140zM6 140V56.0h1V14.0h1V140z"


@pytest.mark.parametrize(("limit_us", "y"), [(None, None), (250, 105), (1000, 0), (1001, None)])
def test_the_still_picture_has_the_limit_for_slowness(
    drawn: series.Series, limit_us: int | None, y: float | None
) -> None:
    (picture,) = chart.draw(drawn, same_scale=True, limit_us=limit_us)
    assert picture.limit == chart.compare(drawn, "total", {"fra": 0}, limit_us).limit == y


@pytest.mark.parametrize("peak_us", [0, 1, 999, 1_000, 1_001, 84_000, 766_123, 10_000_000, 9**12])
def test_ticks_reach_the_peak(peak_us: int) -> None:
    ticks = chart.ticks(peak_us)
    assert ticks[0] == 0
    assert ticks[-1] >= peak_us
    assert 3 <= len(ticks) <= 5
    assert len({high - low for low, high in pairwise(ticks)}) == 1


def test_six_steps() -> None:
    steps = [heat_map.step(us) for us in (0, 50_000, 199_999, 200_000, 799_999, 800_000)]
    assert steps == [0, 1, 2, 3, 4, 5]
    assert len(heat_map.legend()) == 6


def test_a_heat_map_says_each_cell_that_was_due() -> None:
    """Nothing was due yet, passed, missing, failed now and then, failed throughout."""
    begins = [BEGIN + minute * MINUTE for minute in range(5)]
    found = HeatColumns("fra", [4, 1, 3], [1, 5, 5], [1, 0, 2], [None, 49_999, 800_000])
    due = series.due(begins, MINUTE, BEGIN + MINUTE, BEGIN + 5 * MINUTE)
    row = heat_map.row(standing(BEGIN + MINUTE), found, due)
    assert (row.label, row.cells.count) == ("Frankfurt: 3 of 11 checks failed", 4)
    assert row.cells.says.split("|") == [
        "",
        "median 50 ms, 5 checks",
        "No result",
        "median 800 ms, 5 checks, 2 failed",
        "median \N{EN DASH}, 1 check, 1 failed",
    ]
    assert row.cells.holes == [(2, 1)]
    assert row.cells.outlines == [
        ("heat-0", "M1 0h.9v20h-.9z"),
        ("heat-5", "M3 0h.9v20h-.9z"),
        ("heat-none", "M4 0h.9v20h-.9z"),
        ("failed", "M3 0h.9v20h-.9zM4 0h.9v20h-.9z"),
        ("cross bright", "M3.2 7.5l.5 5m0-5l-.5 5"),
        ("cross", "M4.2 7.5l.5 5m0-5l-.5 5"),
    ]


def test_a_heat_map_frames_only_what_is_worth_it() -> None:
    """Cells of weeks hold thousands of checks, and hardly one is without a failed one."""
    found = HeatColumns("fra", [0, 1], [2_000, 2_000], [19, 20], [None, None])
    row = heat_map.row(standing(BEGIN), found, [True, True])
    assert dict(row.cells.outlines)["failed"] == "M1 0h.9v20h-.9z"
    assert dict(row.cells.outlines)["cross"].count("M") == 2


def test_a_strip_hatches_only_what_was_due() -> None:
    begins = [BEGIN + minute * MINUTE for minute in range(6)]
    found = DayColumns(1, None, None, [], [], [4, 1], [5, 5], [0, 0], [2, 0])
    due = series.due(begins, MINUTE, begins[1], begins[5])
    cells = heat_map.strip(begins, MINUTE, found, due, [])
    assert [name for name, _ in cells.outlines] == ["up", "slow"]
    assert cells.holes == [(2, 2)]
    assert cells.says == "|5 checks passed|No result|No result|2 of 5 checks slow or degraded|"


def test_a_strip_is_red_only_where_there_was_an_incident() -> None:
    begins = [BEGIN + minute * MINUTE for minute in range(5)]
    found = DayColumns(1, None, None, [], [], list(range(5)), [5] * 5, [2] * 5, [0] * 5)
    outages = [
        Outage(1, BEGIN - MINUTE, BEGIN - MINUTE / 2),
        Outage(1, begins[1] + MINUTE / 2, begins[2]),
        Outage(1, begins[4] + MINUTE / 2, None),
    ]
    cells = heat_map.strip(begins, MINUTE, found, [True] * 5, outages)
    assert [(name, re.findall(r"M(\d)", outline)) for name, outline in cells.outlines] == [
        ("slow", ["0", "3"]),
        ("down", ["1", "2", "4"]),
    ]
    assert cells.says.startswith("2 of 5 checks failed, no incident|2 of 5 checks failed|")


def test_bands_break_where_nothing_passed() -> None:
    begins = [BEGIN + at * MINUTE for at in range(3)]
    rows = [
        BandRow(begins[0], 9, 1000, 2000, 3000, 4000),
        BandRow(begins[1], 0, None, None, None, None),
        BandRow(begins[2], 1, 2000, 2000, 2000, 2000),
    ]
    drawn = bands.draw(begins, rows)
    assert drawn
    assert drawn.outlines[0] == ("p99", "M0 140V0.0h1V140zM2 140V70.0h1V140z")
    assert drawn.outlines[-1] == ("p50", "M0 140V105.0h1V140zM2 140V70.0h1V140z")
    assert drawn.says.split("|")[1] == "nothing passed"
    assert drawn.label.startswith("p50 1.0 ms to 2.0 ms; p75 2.0 ms to")
    assert bands.draw(begins, rows[1:2]) is None
