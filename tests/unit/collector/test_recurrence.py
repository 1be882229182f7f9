"""When maintenance comes again, above all where clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from collector.errors import CollectorError
from collector.recurrence import Recurrence, check_rule


def begins(rule: str, first: str, zone: str, days: int = 400) -> list[str]:
    """When it begins in UTC, from the first day on."""
    first_at = datetime.fromisoformat(first)
    from_at = first_at.replace(tzinfo=UTC) - timedelta(days=1)
    found = Recurrence(first_at, zone, rule).between(from_at, from_at + timedelta(days=days))
    return [at.strftime("%Y-%m-%dT%H:%M") for at in found]


def test_it_begins_at_the_same_time_by_the_clock_summer_and_winter() -> None:
    assert begins("FREQ=WEEKLY;BYDAY=SU;COUNT=3", "2026-10-18T04:00", "Europe/Berlin") == [
        "2026-10-18T02:00",
        "2026-10-25T03:00",
        "2026-11-01T03:00",
    ]


def test_a_time_that_a_clock_skips_is_read_with_the_offset_from_before() -> None:
    """On 29 March 2026 Berlin has no 02:30: RFC 5545 reads it as 03:30 of summer."""
    assert begins("FREQ=DAILY;COUNT=3", "2026-03-28T02:30", "Europe/Berlin") == [
        "2026-03-28T01:30",
        "2026-03-29T01:30",
        "2026-03-30T00:30",
    ]


def test_of_a_time_that_a_clock_shows_twice_the_first_counts() -> None:
    assert begins("FREQ=DAILY;COUNT=2", "2026-10-25T02:30", "Europe/Berlin") == [
        "2026-10-25T00:30",
        "2026-10-26T01:30",
    ]


def test_it_ends_where_the_rule_says() -> None:
    assert len(begins("FREQ=DAILY;UNTIL=20260104T000000Z", "2026-01-01T00:00", "UTC")) == 4
    assert begins("FREQ=DAILY;UNTIL=20260102T045959Z", "2026-01-01T00:00", "America/New_York") == [
        "2026-01-01T05:00"
    ]
    assert len(begins("FREQ=MONTHLY;BYDAY=2TU;COUNT=5", "2026-01-13T22:00", "UTC")) == 5


def test_only_what_lies_between_is_told() -> None:
    daily = Recurrence(datetime(2020, 1, 1, 6), "UTC", "FREQ=DAILY")
    from_at = datetime(2026, 5, 1, 6, tzinfo=UTC)
    found = list(daily.between(from_at, from_at + timedelta(days=2)))
    assert found == [from_at, from_at + timedelta(days=1)]


def test_a_rule_that_never_comes_true_ends() -> None:
    assert begins("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "2026-01-01T00:00", "UTC") == []


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("SUNDAYS", "begins with FREQ="),
        ("FREQ=SECONDLY", "begins with FREQ="),
        ("FREQ=DAILY;BYDAY=XX", "cannot be followed"),
        ("FREQ=DAILY;COLOUR=RED", "cannot be followed"),
        ("FREQ=DAILY;COUNT=many", "cannot be followed"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_told(rule: str, sentence: str) -> None:
    with pytest.raises(CollectorError, match=sentence):
        check_rule(rule)


def test_a_rule_is_read_as_calendars_write_it() -> None:
    assert check_rule(" rrule:freq=weekly;byday=su ") == "FREQ=WEEKLY;BYDAY=SU"


def test_a_zone_that_is_none_is_told() -> None:
    with pytest.raises(CollectorError, match="Mars/Crater"):
        begins("FREQ=DAILY", "2026-01-01T00:00", "Mars/Crater")
