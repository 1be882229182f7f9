"""The button that asks for a result now, as a form without a script sends it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from tests.integration.dashboard.conftest import Answer, Visitor
from tests.support.report_centre import Centre

NAME = "Health check"


@pytest.fixture
def heard(centre: Centre) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection that hears what a collector would."""
    centre.execute("DELETE FROM vantage.run_requests")
    url = centre.database.url(role="vantage_collector")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("LISTEN vantage_run_now")
        yield connection


def press(visitor: Visitor, monitor_id: int, query: str = "", **headers: Any) -> Answer:
    form = {"csrf": visitor.form_token(f"/m/{monitor_id}")}
    return visitor.ask(f"/m/{monitor_id}/run{query}", "POST", form, **headers)


def asked_at(answer: Answer) -> datetime:
    [text] = parse_qs(urlsplit(answer.headers["location"]).query)["ran"]
    return datetime.fromisoformat(text)


def payloads(heard: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    return [each.payload for each in heard.notifies(timeout=1, stop_after=1)]


def test_the_collectors_are_told_and_the_view_stays(
    visitor: Visitor, centre: Centre, heard: psycopg.Connection[tuple[object, ...]]
) -> None:
    monitor_id = centre.monitor(NAME)
    answer = press(visitor, monitor_id, "?range=1h&loc=fra&tz=UTC")
    assert answer.status == 303
    assert answer.headers["location"].startswith(f"/m/{monitor_id}?range=1h&loc=fra&tz=UTC&ran=")
    asked = asked_at(answer)
    assert abs(datetime.now(UTC) - asked) < timedelta(seconds=20)
    asked_us = (asked - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
    assert payloads(heard) == [f"{monitor_id} {asked_us} "]
    page = visitor.ask(answer.headers["location"]).text
    assert "0 of 2 locations answered." in page
    assert "Waiting for Ashburn, Frankfurt" in page


def test_asking_again_at_once_asks_nobody(
    visitor: Visitor, centre: Centre, heard: psycopg.Connection[tuple[object, ...]]
) -> None:
    monitor_id = centre.monitor(NAME)
    first = asked_at(press(visitor, monitor_id))
    assert len(payloads(heard)) == 1
    assert asked_at(press(visitor, monitor_id)) == first
    assert payloads(heard) == []
    centre.execute("UPDATE vantage.run_requests SET requested_at = now() - INTERVAL '11 s'")
    assert asked_at(press(visitor, monitor_id)) > first
    assert len(payloads(heard)) == 1


def test_answers_are_shown_and_silence_is_told(
    visitor: Visitor, centre: Centre, heard: psycopg.Connection[tuple[object, ...]]
) -> None:
    monitor_id = centre.monitor(NAME)
    location = press(visitor, monitor_id).headers["location"]
    centre.execute(
        """
        INSERT INTO vantage.results (slot_at, started_at, body_bytes, monitor_id, total_us,
            redirect_us, delay_us, lag_us, header_bytes, target_port, outcome, agent_id, redirects,
            suspect, is_extra, location, failure)
        SELECT requested_at, requested_at, 0, monitor_id, 0, 0, 0, 0, 0, 443, 'down',
            md5('agent')::uuid, 0, false, true, 'iad', 'connect_refused'
        FROM vantage.run_requests
        """
    )
    page = visitor.ask(location).text
    assert "1 of 2 locations answered, " in page
    assert "Waiting for Frankfurt…" in page
    assert '<span class="tag">on request</span>' in page
    long_ago = datetime.now(UTC) - timedelta(minutes=2)
    page = visitor.ask(f"/m/{monitor_id}?ran={long_ago:%Y-%m-%dT%H:%M:%SZ}").text
    assert "Nothing came from Ashburn, Frankfurt within 20 s" in page


def test_nobody_asks_for_somebody_else_or_from_another_site(
    visitor: Visitor,
    other_visitor: Visitor,
    centre: Centre,
    heard: psycopg.Connection[tuple[object, ...]],
) -> None:
    monitor_id = centre.monitor(NAME)
    own = centre.monitor("Not yours")
    form = {"csrf": other_visitor.form_token(f"/m/{own}")}
    assert other_visitor.ask(f"/m/{monitor_id}/run", "POST", form).status == 404
    assert visitor.ask(f"/m/{monitor_id}/run", "POST", {"csrf": "x.y"}).status == 403
    assert press(visitor, monitor_id, Sec_Fetch_Site="cross-site").status == 403
    assert visitor.ask(f"/m/{monitor_id}/run").status == 405
    assert Visitor(centre).ask(f"/m/{monitor_id}/run", "POST", {}).status in (401, 403)
    assert payloads(heard) == []


def test_a_viewer_does_not_make_probes(
    other_visitor: Visitor, centre: Centre, heard: psycopg.Connection[tuple[object, ...]]
) -> None:
    own = centre.monitor("Not yours")
    role = "UPDATE vantage.users SET role = %(role)s WHERE email = 'other@example.com'"
    form = {"csrf": other_visitor.form_token(f"/m/{own}")}
    try:
        centre.execute(role, role="viewer")
        assert "Run now" not in other_visitor.ask(f"/m/{own}").text
        answer = other_visitor.ask(f"/m/{own}/run", "POST", form)
    finally:
        centre.execute(role, role="owner")
    assert answer.status == 403
    assert "This takes the role of editor; yours is viewer." in answer.text
    assert payloads(heard) == []


def test_a_ran_that_is_no_instant_is_nothing(visitor: Visitor) -> None:
    answer = visitor.ask("/m/1?ran=yesterday")
    assert answer.status == 200
    assert "Asked at" not in answer.text
