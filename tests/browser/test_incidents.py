"""An incident from its opening to its end, as who takes care of it sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import keep_picture
from tests.support.report_centre import Centre

NewPage = Callable[..., Page]
CHECKOUT = "Checkout · cart page"
# What Singapore has found since it fails: stored results, as a collector takes them for evidence.
OPEN = """
WITH failed AS (
    SELECT monitor_id, min(slot_at) AS first_at, max(slot_at) AS last_at
    FROM vantage.results
    JOIN vantage.monitors ON monitors.id = results.monitor_id AND monitors.name = %(name)s
    WHERE location = 'sin' AND outcome = 'down' AND slot_at > now() - INTERVAL '1 hour'
    GROUP BY monitor_id
),
incident AS (
    INSERT INTO vantage.incidents
        (account_id, monitor_id, severity, began_at, opened_at, cause, summary)
    SELECT account_id, id, 'down', first_at, first_at + INTERVAL '5 s', 'connect_timeout',
        'TCP connect timed out from 1 of 5 locations.'
    FROM failed
    JOIN vantage.monitors ON monitors.id = failed.monitor_id
    RETURNING id
),
evidence AS (
    INSERT INTO vantage.incident_evidence (incident_id, location, which, slot_at, total_us, failure,
        failed_phase, target_ip, detail)
    SELECT incident.id, 'sin', which, results.slot_at, results.total_us, results.failure, 'connect',
        results.target_ip, results.detail
    FROM incident, failed
    CROSS JOIN LATERAL (VALUES ('first', first_at), ('last', last_at)) AS seen (which, at)
    JOIN vantage.results ON results.monitor_id = failed.monitor_id
        AND results.location = 'sin' AND results.slot_at = seen.at
)
INSERT INTO vantage.incident_events (incident_id, at, kind, detail)
SELECT incident.id, first_at + INTERVAL '5 s', 'opened',
    'TCP connect timed out from 1 of 5 locations.'
FROM incident, failed
RETURNING incident_id
"""
CLOSE = """
WITH closed AS (
    UPDATE vantage.incidents SET recovered_at = now(), closed_at = now() WHERE id = %(id)s
    RETURNING id
)
INSERT INTO vantage.incident_events (incident_id, kind)
SELECT id, kind FROM closed, unnest(ARRAY['recovered', 'closed']) AS kind
"""


@pytest.fixture
def incident(centre: Centre) -> Iterator[int]:
    ((incident_id,),) = centre.execute(OPEN, name=CHECKOUT)
    assert isinstance(incident_id, int)
    yield incident_id
    centre.execute("DELETE FROM vantage.incidents")


def test_an_incident_from_its_opening_to_its_end(
    new_page: NewPage, centre: Centre, incident: int
) -> None:
    page = new_page()
    page.goto("/")
    page.get_by_role("link", name="Incidents").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("1 incident open")
    page.get_by_role("link", name=CHECKOUT).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{CHECKOUT}: TCP connect timed out")
    evidence = page.get_by_role("row", name="Singapore")
    expect(evidence).to_contain_text("Connection timed out after 10001 milliseconds")
    evidence.get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(
        "TCP connect timed out from Singapore"
    )
    page.go_back()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator("#headline")).to_contain_text("Acknowledged by demo@example.com")
    page.get_by_label("What you found or did").fill("The router there was replaced.")
    page.get_by_role("button", name="Add the note").click()
    timeline = page.locator("#timeline")
    expect(timeline).to_contain_text("The router there was replaced.")
    expect(timeline.get_by_role("listitem")).to_have_count(3)
    keep_picture(page, "incident")
    centre.execute(CLOSE, id=incident)
    # Nobody loads the page anew.
    expect(page.locator("#headline")).to_contain_text("Closed", timeout=15_000)
    expect(timeline.get_by_role("listitem")).to_have_count(5)
    page.get_by_label("What was learned").fill("Two routers are better than one.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("What was learned")).to_have_value("Two routers are better than one.")
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Incidents").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("No incident is open")
