"""Maintenance planned in the report centre, by those who may, of their own monitors only."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.integration.dashboard.conftest import Answer, Visitor
from tests.support.report_centre import Centre

PAGE = "/settings/maintenance"
USUAL = {
    "title": "Upgrade",
    "begins": "2030-07-01T02:00",
    "zone": "Europe/Berlin",
    "lasts": "3600",
    "repeat": "",
}


@pytest.fixture(autouse=True)
def tidy(centre: Centre) -> Iterator[None]:
    yield
    centre.execute("DELETE FROM vantage.maintenance")
    centre.execute("DELETE FROM vantage.maintenance_rules")


def send(visitor: Visitor, action: str, **form: str) -> Answer:
    return visitor.ask(f"{PAGE}/{action}", "POST", {"csrf": visitor.form_token(PAGE), **form})


def test_a_window_is_planned_shown_and_removed(visitor: Visitor, centre: Centre) -> None:
    monitor_id = centre.monitor("Home page")
    assert send(visitor, "add", **USUAL, monitor=str(monitor_id)).status == 303
    [(window_id, about, begins)] = centre.execute(
        "SELECT id, monitor_id, (from_at AT TIME ZONE 'UTC')::text FROM vantage.maintenance"
    )
    assert (about, begins) == (monitor_id, "2030-07-01 00:00:00")
    assert "Upgrade" in visitor.ask(PAGE).text
    assert send(visitor, "end", id=str(window_id)).headers["location"] == f"{PAGE}?done=removed"
    assert centre.execute("SELECT FROM vantage.maintenance") == []


def test_what_is_under_way_comes_first_then_what_is_next(visitor: Visitor, centre: Centre) -> None:
    centre.execute(
        "INSERT INTO vantage.maintenance (account_id, from_at, to_at, title)"
        " SELECT id, now() + begins * INTERVAL '1 h', now() + ends * INTERVAL '1 h', title"
        " FROM vantage.accounts, (VALUES ('Over', -9, -8), ('Later', 5, 6), ('Just over', -3, -2),"
        " ('Soon', 3, 4), ('Now', -1, 1)) AS planned (title, begins, ends)"
        " WHERE name = 'Example Shop'"
    )
    titles = re.findall(r'<th scope="row">([^<]+)', visitor.ask(PAGE).text)
    assert titles == ["Now", "Soon", "Later", "Just over", "Over"]


def test_it_repeats_on_the_day_it_first_begins(visitor: Visitor, centre: Centre) -> None:
    for repeat in ("FREQ=WEEKLY", "FREQ=MONTHLY", "own"):
        answer = send(visitor, "add", **{**USUAL, "repeat": repeat, "rule": "freq=daily;count=3"})
        assert answer.status == 303
    rules = centre.execute("SELECT rule FROM vantage.maintenance_rules ORDER BY id")
    assert [rule for (rule,) in rules] == [
        "FREQ=WEEKLY;BYDAY=MO",
        "FREQ=MONTHLY;BYMONTHDAY=1",
        "FREQ=DAILY;COUNT=3",
    ]
    page = visitor.ask(PAGE).text
    assert page.count("being planned") == 3
    # A rule of somebody's own is not put into words.
    for said in ("Every Monday", "Every month, on day 1", "FREQ=DAILY;COUNT=3"):
        assert f">{said}<" in page


def test_what_lasts_is_said_on_the_monitors_page(visitor: Visitor, centre: Centre) -> None:
    centre.execute(
        "INSERT INTO vantage.maintenance (account_id, from_at, to_at, title)"
        " SELECT account_id, now(), now() + INTERVAL '1 h', 'New racks' FROM vantage.monitors"
        " WHERE name = 'Home page'"
    )
    page = visitor.ask(f"/m/{centre.monitor('Home page')}").text
    assert "New racks" in page
    assert "count for no availability" in page


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"begins": "tomorrow"}, "no time to begin at"),
        ({"zone": "Mars"}, "Choose a time zone"),
        ({"lasts": "5"}, "1 minute to 7 days"),
        ({"repeat": "own", "rule": "FREQ=HOURLY"}, "no rule of RFC 5545"),
        ({"title": "x" * 201}, "up to 200 characters"),
    ],
)
def test_what_cannot_be_is_told(
    visitor: Visitor, centre: Centre, changed: dict[str, str], sentence: str
) -> None:
    answer = send(visitor, "add", **{**USUAL, **changed})
    assert (answer.status, sentence in answer.text) == (400, True)
    assert centre.execute("SELECT FROM vantage.maintenance") == []


def test_others_are_kept_out(visitor: Visitor, other_visitor: Visitor, centre: Centre) -> None:
    own = str(centre.monitor("Home page"))
    assert send(other_visitor, "add", **USUAL, monitor=own).status == 404
    send(visitor, "add", **USUAL)
    send(visitor, "add", **{**USUAL, "repeat": "FREQ=DAILY"})
    [(window_id,)] = centre.execute("SELECT id FROM vantage.maintenance")
    [(rule_id,)] = centre.execute("SELECT id FROM vantage.maintenance_rules")
    assert "Upgrade" not in other_visitor.ask(PAGE).text
    assert send(other_visitor, "end", id=str(window_id)).status == 404
    assert send(other_visitor, "remove-rule", id=str(rule_id)).status == 404
    centre.execute("UPDATE vantage.users SET role = 'viewer' WHERE email = 'demo@example.com'")
    try:
        assert send(visitor, "add", **USUAL).status == 403
        assert "Plan maintenance" not in visitor.ask(PAGE).text
    finally:
        centre.execute("UPDATE vantage.users SET role = 'owner' WHERE email = 'demo@example.com'")
