from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dashboard import timespan, view
from dashboard.errors import BadRequest
from dashboard.timespan import Timespan

NOW = datetime(2026, 11, 23, 13, 32, 7, tzinfo=UTC)


def test_a_day_where_nothing_is_said() -> None:
    assert timespan.parse({}, NOW) == Timespan(NOW - timedelta(days=1), NOW, "24h")


def test_from_and_to() -> None:
    span = timespan.parse({"from": "2026-11-23T01:00", "to": "2026-11-23T05:00+02:00"}, NOW)
    assert span.from_at == datetime(2026, 11, 23, 1, tzinfo=UTC)
    assert span.to_at == datetime(2026, 11, 23, 3, tzinfo=UTC)
    assert span.query == {"from": "2026-11-23T01:00:00Z", "to": "2026-11-23T03:00:00Z"}


@pytest.mark.parametrize("text", ["", "now", "2026-13-01", "0001-01-01T00:00:00+23:00"])
def test_no_instant(text: str) -> None:
    with pytest.raises(BadRequest):
        timespan.instant(text)


@pytest.mark.parametrize(
    ("length", "interval_s", "points", "width_s"),
    [
        (timedelta(hours=24), 60, 240, 600),
        (timedelta(hours=24), 60, 288, 300),
        (timedelta(hours=1), 60, 240, 60),
        (timedelta(hours=1), 1, 240, 15),
        (timedelta(hours=1), 3_600, 240, 3_600),
        (timedelta(days=7), 60, 240, 3_600),
        (timedelta(hours=1), 86_400, 240, 86_400),
        (timedelta(days=31), 60, 10, 345_600),
        (timedelta(days=90), 60, 240, 86_400),
        (timedelta(days=365), 60, 240, 172_800),
    ],
)
def test_buckets_are_round_and_hold_a_slot(
    length: timedelta, interval_s: int, points: int, width_s: int
) -> None:
    assert Timespan(NOW - length, NOW).bucket(interval_s, points) == timedelta(seconds=width_s)


def test_longer_than_a_month_it_begins_with_a_day() -> None:
    """What its first hours were made of may not be kept any more, so no part of a day is left."""
    for preset in ("90d", "365d"):
        span = timespan.parse({"range": preset}, NOW)
        assert span.from_at == timespan.floor(NOW - timespan.PRESETS[preset], timedelta(days=1))
        assert (span.to_at, span.grain, span.edge) == (NOW, "_1d", "day")
    span = timespan.parse({"from": "2026-01-02T03:04", "to": "2026-03-04T05:06"}, NOW)
    assert span.query == {"from": "2026-01-02T00:00:00Z", "to": "2026-03-04T05:00:00Z"}
    month = timespan.parse({"range": "30d"}, NOW)
    assert (month.to_at - month.from_at, month.grain) == (timedelta(days=30), "_1h")


def test_buckets_cover_the_span() -> None:
    width = timedelta(minutes=5)
    begins = timespan.buckets(Timespan(NOW - timedelta(hours=1), NOW), width)
    assert begins[0] <= NOW - timedelta(hours=1) < begins[1]
    assert begins[-1] < NOW <= begins[-1] + width
    exact = NOW.replace(minute=30, second=0)
    assert timespan.buckets(Timespan(exact - width, exact), width) == [exact - width]


def test_a_view_is_what_its_address_says() -> None:
    query = {"range": "7d", "loc": "fra,sin", "scale": "own", "tz": "utc"}
    seen = view.parse(query, NOW)
    assert seen.query() == "?range=7d&loc=fra,sin&scale=own&tz=UTC"
    assert seen.query(locations=(), scale="same", tz="") == "?range=7d"
    assert seen.preset("1h") == "?range=1h&loc=fra,sin&scale=own&tz=UTC"


@pytest.mark.parametrize(
    ("age", "preset"),
    [
        (timedelta(), "15m"),
        (timedelta(minutes=15), "15m"),
        (timedelta(minutes=16), "1h"),
        (timedelta(hours=2), "24h"),
        (timedelta(days=3), "24h"),
        (timedelta(days=300), "24h"),
    ],
)
def test_a_young_monitor_is_shown_over_its_whole_life(age: timedelta, preset: str) -> None:
    assert timespan.parse({}, NOW, NOW - age).preset == preset


def test_what_the_address_says_counts() -> None:
    assert timespan.parse({"range": "7d"}, NOW, NOW).preset == "7d"
