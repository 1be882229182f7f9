from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from dashboard import words
from vantage.failure import CAUSES, cause

NOW = datetime(2026, 11, 23, 13, 32, tzinfo=UTC)


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (None, "\N{EN DASH}"),
        (0, "0.0 ms"),
        (840, "0.8 ms"),
        (9_949, "9.9 ms"),
        (9_950, "10 ms"),
        (1_113_400, "1,113 ms"),
        (9_999_400, "9,999 ms"),
        (9_999_900, "10.0 s"),
        (10_000_000, "10.0 s"),
        (61_240_000, "61.2 s"),
    ],
)
def test_milliseconds_below_ten_seconds(micros: int | None, text: str) -> None:
    assert words.duration(micros) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "every second"),
        (30, "every 30 s"),
        (60, "every minute"),
        (90, "every 90 s"),
        (300, "every 5 min"),
        (3_600, "every hour"),
        (86_400, "every 24 h"),
    ],
)
def test_how_often_is_said_exactly(seconds: int, text: str) -> None:
    assert words.every(seconds) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (7_149, 7_175, "99.63 %"),
        (99_999, 100_000, "99.99 %"),
        (1_000_000, 1_000_000, "100.00 %"),
        (0, 3, "0.00 %"),
        (0, 0, "\N{EN DASH}"),
    ],
)
def test_shares_are_rounded_down(part: int, whole: int, text: str) -> None:
    assert words.share(part, whole) == text


def test_an_unknown_failure_stays_readable() -> None:
    assert cause("quic_blocked") == "Quic blocked"
    assert cause("http_status", 503) == "HTTP status 503"


def test_a_place_can_follow_every_cause() -> None:
    sentence = re.compile(r"\b(is|are|has|does|may|can|cannot|could|ends|leads|wants)\b", re.I)
    assert not [said for said in CAUSES.values() if sentence.search(said)]
    assert f"{cause('dns_nxdomain')} from Frankfurt" == "DNS name not found from Frankfurt"


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (timedelta(days=81, hours=5), "81 days"),
        (timedelta(days=1), "1 day"),
        (timedelta(hours=23), "Less than a day"),
        (timedelta(0), "Expired"),
        (timedelta(days=-3), "Expired"),
    ],
)
def test_days_left(left: timedelta, text: str) -> None:
    assert words.days_left(NOW + left, NOW) == text


def test_ago_is_never_negative() -> None:
    assert words.ago(NOW + timedelta(seconds=3), NOW) == "0 s ago"
    assert words.ago(NOW - timedelta(minutes=61), NOW) == "1 h ago"


@pytest.mark.parametrize(
    ("name", "known_as"),
    [
        ("CN=shop.example,O=Shop\\, Inc.,C=GB", "shop.example"),
        ("C=US,O=Shop\\, Inc.", "Shop, Inc."),
        ("C=US", "C=US"),
        ("", "\N{EN DASH}"),
        (None, "\N{EN DASH}"),
    ],
)
def test_a_certificates_holder_is_known_by_one_part(name: str | None, known_as: str) -> None:
    assert words.common_name(name) == known_as


def test_accents_do_not_change_the_order() -> None:
    assert sorted(["Sydney", "São Paulo", "ashburn"], key=words.order) == [
        "ashburn", "São Paulo", "Sydney"
    ]  # fmt: skip


def test_numbers_in_names_are_in_their_order() -> None:
    assert sorted(["Shop 10", "shop 2", "Shop", "Shop 1"], key=words.order) == [
        "Shop", "Shop 1", "shop 2", "Shop 10"
    ]  # fmt: skip


def test_places_are_named_and_counted() -> None:
    titles = {"fra": "Frankfurt", "sin": "Singapore"}
    assert words.places(titles, ["fra"]) == "Frankfurt"
    assert words.places(titles, ["fra", "sin", "x"]) == "Frankfurt, Singapore and x"
    assert (
        words.places(titles, ["fra", "sin", "x", "y", "z"]) == "Frankfurt, Singapore, x and 2 more"
    )
