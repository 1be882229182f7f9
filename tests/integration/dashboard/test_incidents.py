"""Incidents and rules in the report centre: what is shown, what people do, what the API gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from json import loads
from typing import Any

import pytest

from tests.integration.dashboard.conftest import Answer, Visitor
from tests.support import seed
from tests.support.report_centre import Centre

CHECKOUT = "Checkout · cart page"


@pytest.fixture
def open_incident(centre: Centre) -> Iterator[int]:
    yield centre.new_incident("Home page", "fra", "iad", is_open=True)
    centre.execute("DELETE FROM vantage.incidents")


def post(visitor: Visitor, path: str, page: str, **form: str) -> Answer:
    return visitor.ask(path, "POST", {"csrf": visitor.form_token(page), **form})


def words(answer: Answer) -> str:
    text = re.sub(r"<[^>]+>", "", answer.text)
    return re.sub(r"\s+", " ", text)


def test_one_location_below_the_rule_is_said_in_words(visitor: Visitor, centre: Centre) -> None:
    page = words(visitor.ask(f"/m/{centre.monitor(CHECKOUT)}"))
    assert "Failing from Singapore since " in page
    assert "Below your 2-location rule, so no incident." in page


@contextmanager
def failing(centre: Centre, *locations: str, ago: str) -> Iterator[int]:
    """A monitor that was last heard of so long ago, and failed from everywhere."""
    ((monitor_id,),) = centre.execute(
        """
        WITH added AS (
            INSERT INTO vantage.monitors (account_id, name, url, created_at)
            SELECT account_id, 'Failing', url, created_at
            FROM vantage.monitors WHERE name = 'Home page'
            RETURNING id, now() - %(ago)s::interval AS past
        ),
        placed AS (
            INSERT INTO vantage.monitor_locations (monitor_id, location)
            SELECT id, unnest(%(locations)s::text[]) FROM added
        ),
        judged AS (
            INSERT INTO vantage.verdicts (monitor_id, state, since_at, judged_at, voting, needed,
                failing, slow, failing_since_at)
            SELECT id, 'down', past, past, 2, 2, %(locations)s, '{}', past FROM added
        ),
        heard AS (
            INSERT INTO vantage.standings (monitor_id, location, first_slot_at, slot_at, outcome,
                failure, total_us)
            SELECT id, unnest(%(locations)s::text[]), past, past, 'down', 'connect_refused', 1200
            FROM added
        )
        SELECT id FROM added
        """,
        locations=list(locations),
        ago=ago,
    )
    try:
        yield monitor_id
    finally:
        centre.execute("DELETE FROM vantage.monitors WHERE id = %(id)s", id=monitor_id)


def test_of_a_silent_monitor_nothing_is_said_to_fail(visitor: Visitor, centre: Centre) -> None:
    """Its verdict is that of before its agents went away."""
    with failing(centre, "fra", "iad", ago="3 h") as monitor_id:
        page = words(visitor.ask(f"/m/{monitor_id}"))
    assert "No data from both locations" in page
    assert "2 locations are silent." in page
    assert "Failing from" not in page


def test_of_many_failing_locations_a_few_are_told(visitor: Visitor, centre: Centre) -> None:
    with failing(centre, "fra", "iad", "sin", "syd", "gru", ago="10 s") as monitor_id:
        overview, page = words(visitor.ask("/?q=failing")), words(visitor.ask(f"/m/{monitor_id}"))
    assert overview.count(": Connection refused") == 3
    assert "and from 2 more locations" in overview
    assert page.count(": Connection refused") == 5
    assert "more location" not in page


def test_maintenance_is_said_to_be_why_no_incident_opens(visitor: Visitor, centre: Centre) -> None:
    monitor = centre.monitor(CHECKOUT)
    centre.execute(
        "INSERT INTO vantage.maintenance (account_id, monitor_id, from_at, to_at)"
        " SELECT account_id, id, now() - INTERVAL '1 h', now() + INTERVAL '1 h'"
        " FROM vantage.monitors WHERE id = %(id)s",
        id=monitor,
    )
    try:
        page = words(visitor.ask(f"/m/{monitor}"))
    finally:
        centre.execute("DELETE FROM vantage.maintenance")
    assert "No incident opens during maintenance." in page
    assert "Below your" not in page


@pytest.mark.parametrize(
    ("cause", "word"), [("too_slow", "First slow"), ("assertion_body", "First degraded")]
)
def test_of_what_was_only_degraded_nothing_is_said_to_have_failed(
    visitor: Visitor, centre: Centre, open_incident: int, cause: str, word: str
) -> None:
    centre.execute(f"UPDATE vantage.incidents SET severity = 'degraded', cause = '{cause}'")
    centre.execute(
        "UPDATE vantage.incident_evidence SET failure = NULL,"
        " failed_phase = NULL, detail = NULL, total_us = 158000"
    )
    for path in (f"/incidents/{open_incident}", "/incidents"):
        answer = visitor.ask(path)
        assert 'class="state slow"' in answer.text
        assert 'class="state down"' not in answer.text
        assert "ailed" not in words(answer).replace("No incident failed", "")
    page = words(visitor.ask(f"/incidents/{open_incident}"))
    assert "Known 8 s after it began." in page
    assert word in page
    assert "158 ms" in page


def test_since_when_it_fails_is_said_by_the_readers_clocks(
    visitor: Visitor, centre: Centre, open_incident: int
) -> None:
    """An event says what was so; its time is an element that the page's script writes anew."""
    for later, said in (("0 s", "Since"), ("10 min", "Again since")):
        centre.execute(
            "UPDATE vantage.incident_events SET failing_since_at = began_at + %(later)s::interval"
            " FROM vantage.incidents WHERE incidents.id = incident_id",
            later=later,
        )
        text = visitor.ask(f"/incidents/{open_incident}").text
        assert re.search(
            rf'Connection refused from 2 of 5 locations\. {said} <time datetime="[^"]+Z"'
            r' data-time="since" data-zone="yes">',
            text,
        )


def test_an_incident_is_shown_with_what_each_location_saw(
    visitor: Visitor, centre: Centre, open_incident: int
) -> None:
    closed = centre.new_incident("Product pictures", "gru", is_open=False)
    everything = words(visitor.ask("/incidents"))
    assert "1 incident open" in everything
    assert everything.index("Home page") < everything.index("Product pictures")
    page = words(visitor.ask(f"/incidents/{open_incident}"))
    assert "Home page: Connection refused" in page
    assert "from 2 of 5 locations" in page
    assert "Frankfurt" in page
    assert "203.0.113.7" in page
    assert "Connection refused · TCP connect" in page
    assert "not yet" in page
    assert "not yet" not in words(visitor.ask(f"/incidents/{closed}"))
    assert f"/incidents/{open_incident}" in visitor.ask(f"/m/{centre.monitor('Home page')}").text
    only = words(visitor.ask(f"/incidents?monitor={centre.monitor('Product pictures')}"))
    assert "Home page" not in only


def test_no_phase_is_to_blame_where_the_response_came_whole(
    visitor: Visitor, centre: Centre, open_incident: int
) -> None:
    centre.execute(
        "UPDATE vantage.incident_evidence"
        " SET failure = 'http_status', failed_phase = 'receive',"
        " http_status = CASE which WHEN 'last' THEN 404 ELSE 500 END"
    )
    centre.execute("UPDATE vantage.incidents SET cause = 'http_status'")
    page = words(visitor.ask(f"/incidents/{open_incident}"))
    assert "Home page: HTTP status 404" in page
    assert "Content transfer" not in page


def test_people_take_incidents_on_and_write_down_what_they_found(
    visitor: Visitor, centre: Centre, open_incident: int
) -> None:
    page = f"/incidents/{open_incident}"
    for _ in range(2):
        assert post(visitor, f"{page}/acknowledge", page).status == 303
    assert post(visitor, f"{page}/note", page, note=" Disk full\non web-2 ").status == 303
    assert post(visitor, f"{page}/post-mortem", page, post_mortem="Logs rotate now.").status == 303
    refused = post(visitor, f"{page}/note", page, note="  ")
    assert (refused.status, "Write something" in refused.text) == (400, True)
    assert centre.execute(
        "SELECT kind, author, detail FROM vantage.incident_events WHERE author IS NOT NULL"
        " ORDER BY id"
    ) == [
        ("acknowledged", seed.EMAIL, None),
        ("noted", seed.EMAIL, "Disk full\non web-2"),
        ("post_mortem", seed.EMAIL, None),
    ]
    shown = visitor.ask(page).text
    assert "Logs rotate now." in shown
    assert f"Acknowledged by {seed.EMAIL}" in shown


def test_a_viewer_only_reads(visitor: Visitor, centre: Centre, open_incident: int) -> None:
    page = f"/incidents/{open_incident}"
    token = visitor.form_token(page)
    centre.execute("UPDATE vantage.users SET role = 'viewer' WHERE email = %(e)s", e=seed.EMAIL)
    try:
        assert visitor.ask(page).status == 200
        answer = visitor.ask(f"{page}/acknowledge", "POST", {"csrf": token})
        assert answer.status == 403
    finally:
        centre.execute("UPDATE vantage.users SET role = 'owner' WHERE email = %(e)s", e=seed.EMAIL)


RULE = {
    "needed": "50",
    "counted": "percent",
    "distinct_by": "country",
    "consecutive": "2",
    "closes_after": "300",
    "degraded": "yes",
    "slower_factor": "2.5",
    "slower_phase": "tls",
    "slower_for": "20",
    "slower_locations": "3",
}
IN_FORCE = """
SELECT source, needed_percent, consecutive, distinct_by, closes_after_s, opens_when_degraded,
    slower_factor, slower_phase, slower_for_s, slower_locations
FROM vantage.monitor_rules WHERE monitor_id = %(id)s
"""


def test_rules_are_set_for_all_monitors_and_for_one(visitor: Visitor, centre: Centre) -> None:
    monitor = centre.monitor(CHECKOUT)
    own = f"/m/{monitor}/rule"
    as_given = (50, 2, "country", 300, True, Decimal("2.5"), "tls", 1200, 3)
    assert post(visitor, "/settings/rules/save", "/settings/rules", **RULE).status == 303
    assert centre.execute(IN_FORCE, id=monitor) == [("account", *as_given)]
    assert post(visitor, own, own, **{**RULE, "consecutive": "1"}).status == 303
    assert centre.execute(IN_FORCE, id=monitor)[0][:3] == ("monitor", 50, 1)
    assert CHECKOUT.split(" ")[0] in words(visitor.ask("/settings/rules"))
    assert post(visitor, f"{own}/remove", own).status == 303
    assert centre.execute(IN_FORCE, id=monitor) == [("account", *as_given)]
    assert post(visitor, "/settings/rules/remove", "/settings/rules").status == 303
    assert centre.execute(IN_FORCE, id=monitor)[0][0] == "installation"
    for field, value, sentence in (
        ("needed", "0", "0 locations can be no rule"),
        ("needed", "two", "give a whole number"),
        ("consecutive", "11", "11 failed results in a row"),
        ("distinct_by", "planet", "not each “planet”"),
        ("closes_after", "90000", "not after 90000 s"),
        ("slower_factor", "1", "not 1.0 times"),
        ("slower_factor", "often", "no number"),
        ("slower_for", "90", "not of 5400 s"),
        ("slower_locations", "0", "0 locations can be no rule"),
    ):
        refused = post(visitor, own, own, **{**RULE, field: value})
        assert (refused.status, sentence in refused.text) == (400, True), sentence


def test_nothing_depends_on_itself(visitor: Visitor, centre: Centre) -> None:
    parent, child = centre.monitor("Home page"), centre.monitor(CHECKOUT)
    page = f"/m/{child}/rule"
    try:
        saved = post(visitor, f"/m/{child}/dependencies", page, monitor=str(parent))
        assert saved.status == 303
        assert centre.execute("SELECT monitor_id, parent_id FROM vantage.monitor_dependencies") == [
            (child, parent)
        ]
        assert re.search(rf'value="{parent}" checked', visitor.ask(page).text)
        refused = post(visitor, f"/m/{parent}/dependencies", page, monitor=str(child))
        assert (refused.status, "cannot depend on itself" in refused.text) == (400, True)
    finally:
        centre.execute("DELETE FROM vantage.monitor_dependencies")


def test_programs_read_incidents_and_take_them_on(
    visitor: Visitor, centre: Centre, open_incident: int
) -> None:
    centre.execute(
        "INSERT INTO vantage.api_tokens (user_id, name, token_hash, hint, scopes)"
        " SELECT id, 'incidents', sha256('incidents'), 'v', '{read,write}' FROM vantage.users"
        " WHERE email = %(email)s",
        email=seed.EMAIL,
    )
    visitor.cookie = ""
    bearer: dict[str, Any] = {"Authorization": "Bearer incidents"}
    centre.new_incident("Product pictures", "gru", is_open=False)
    for query, names in (
        ("", ["Product pictures", "Home page"]),
        ("?state=open", ["Home page"]),
        ("?state=closed", ["Product pictures"]),
        (f"?monitor={centre.monitor('Home page')}", ["Home page"]),
    ):
        found = loads(visitor.ask(f"/api/v1/incidents{query}", **bearer).body)
        assert [each["monitor"] for each in found["items"]] == names
    first = loads(visitor.ask("/api/v1/incidents?limit=1", **bearer).body)
    second = loads(visitor.ask(f"/api/v1/incidents?after={first['next']}", **bearer).body)
    assert [each["monitor"] for each in second["items"]] == ["Home page"]
    path = f"/api/v1/incidents/{open_incident}"
    visitor.ask(f"{path}/acknowledge", "POST", **bearer)
    visitor.ask(f"{path}/notes", "POST", json={"text": "On it."}, **bearer)
    details = loads(visitor.ask(path, **bearer).body)
    assert details["acknowledged_by"] == seed.EMAIL
    assert details["events"][-1]["detail"] == "On it."
    asked: dict[str, Any] = {"text": "A full disk. It is watched now."}
    learned = visitor.ask(f"{path}/post-mortem", "PUT", json=asked, **bearer)
    assert loads(learned.body)["post_mortem"] == asked["text"]
    assert {each["target_ip"] for each in details["evidence"]} == {"203.0.113.7"}
    assert (len(details["locations"]), details["assigned"]) == (2, 5)
    assert "Connection refused" in details["summary"]


def test_what_is_slower_than_usual_is_said_in_words(visitor: Visitor, centre: Centre) -> None:
    monitor = centre.monitor("Home page")
    assert "Not enough history yet to say what is usual" in words(visitor.ask(f"/m/{monitor}"))
    centre.execute(
        """
        INSERT INTO vantage.baselines (hour_at, monitor_id, location, phase, weeks, results,
            usual_us, spread_us)
        SELECT date_bin('1 hour', now(), 'epoch') + ahead * INTERVAL '1 hour', monitor_id, location,
            phase, 6, 360, CASE location WHEN 'fra' THEN usual_us ELSE 2000000 END, 3000
        FROM vantage.monitor_locations
        CROSS JOIN (VALUES ('total', 90000), ('tls', 30000)) AS known (phase, usual_us)
        CROSS JOIN generate_series(0, 1) AS ahead
        WHERE monitor_id = %(id)s AND location <> 'gru'
        """,
        id=monitor,
    )
    centre.execute(
        "UPDATE vantage.results SET total_us = total_us - tls_us + 93000, tls_us = 93000"
        " WHERE monitor_id = %(id)s AND location = 'fra' AND outcome <> 'down'"
        " AND slot_at > now() - INTERVAL '20 min'",
        id=monitor,
    )
    try:
        page = words(visitor.ask(f"/m/{monitor}"))
        hour = datetime.now(UTC).strftime("%A %H:00")
        assert (
            f"Frankfurt: TLS handshake takes 3.1 times its usual {hour}: 93 ms, usually 30 ms"
            in page
        )
        assert "Ashburn: TLS handshake" not in page
        assert "Not enough history yet" in page  # of the one without
    finally:
        centre.execute("DELETE FROM vantage.baselines")
