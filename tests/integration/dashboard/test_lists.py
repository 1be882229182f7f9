"""The account's lists as files: linked from the tables they hold, and kept to who may see those."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator

import pytest
from pyarrow import parquet

from dashboard.lists import LISTS
from dashboard.table import MEDIA_TYPES
from tests.integration.dashboard.conftest import Visitor, send
from tests.support.report_centre import Centre

PAGES = {
    "/": {"monitors"},
    "/incidents": {"incidents"},
    "/locations": {"agents", "troubles"},
    "/reports/mail": {"report-schedules", "report-mails"},
    "/settings/members": {"members", "invitations"},
    "/settings/sessions": {"sessions"},
    "/settings/tokens": {"tokens"},
    "/settings/status-pages": {"status-pages"},
    "/settings/notifications": {"channels", "notifications"},
    "/settings/plan": {"licence-mails"},
    "/settings/maintenance": {"maintenance", "maintenance-rules"},
    "/settings/audit": {"audit"},
}


@pytest.fixture
def full(visitor: Visitor, centre: Centre) -> Iterator[None]:
    """An account with a row in each of its lists."""
    centre.new_incident("Home page", "fra", is_open=True)
    centre.new_status_page("Home page", "Sign-in API")
    token = {"name": "=1", "scope": "read", "days": "90"}
    send(visitor, "/settings/tokens/add", "/settings/tokens", **token)
    planned = {"title": "", "begins": "2030-07-01T02:00", "zone": "Asia/Kathmandu", "lasts": "3600"}
    for repeat in ("", "FREQ=DAILY"):
        path = "/settings/maintenance"
        send(visitor, f"{path}/add", path, repeat=repeat, **planned)
    centre.execute(
        """
        INSERT INTO vantage.location_troubles (location, kind, began_at, detail)
        VALUES ('syd', 'silent', now(), 'Nothing is heard of it.');
        INSERT INTO vantage.sealing_keys (key_id, public_key)
        VALUES (repeat('a', 16), sha256('')) ON CONFLICT DO NOTHING;
        INSERT INTO vantage.channels (account_id, name, kind, hint, key_id, sealed, quiet_from,
            quiet_to)
        SELECT id, 'Night', 'mail', 'night@example.com', repeat('a', 16), '', '22:00', '07:00'
        FROM vantage.accounts WHERE name = 'Example Shop';
        INSERT INTO vantage.links (token_hash, purpose, email, account_id, user_id, role,
            expires_at)
        SELECT sha256('invited'), 'invite', 'new@example.com', account_id, id, 'viewer',
            now() + INTERVAL '1 h'
        FROM vantage.users WHERE email = 'demo@example.com';
        INSERT INTO vantage.report_schedules (account_id, name, period, day, at, time_zone,
            objective, share)
        SELECT id, 'Monthly', 'month', 1, '08:00', 'UTC', 99.9, 95
        FROM vantage.accounts WHERE name = 'Example Shop';
        INSERT INTO vantage.notifications (channel_id, step, kind, content, due_at, sent_at)
        SELECT id, 'a step', 'opened',
            '{"monitor": "=Shop", "severity": "degraded", "cause": "too_slow"}', now(), now()
        FROM vantage.channels;
        INSERT INTO vantage.mails (account_id, user_id, step, kind, content)
        SELECT account_id, id, kind, kind, content
        FROM vantage.users
        CROSS JOIN (VALUES
            ('trial_ends', '{"ends_at": "2030-07-01T00:00:00Z"}'::jsonb),
            ('report', '{"name": "=Monthly", "period": "month", "first_day": "2030-07-01",
                "monitor_ids": null, "objective": 99.9, "limit_us": null, "share": 95,
                "revision": 2}')) AS queued (kind, content)
        WHERE email = 'demo@example.com';
        """
    )
    yield
    for table in (
        "incidents",
        "status_pages",
        "api_tokens",
        "maintenance",
        "maintenance_rules",
        "location_troubles",
        "mails",
        "channels",
        "sealing_keys",
        "links",
        "report_schedules",
    ):
        centre.execute(f"DELETE FROM vantage.{table}")


def test_every_table_can_be_taken_along(visitor: Visitor, full: None) -> None:
    for page, names in PAGES.items():
        links = set(re.findall(r'href="(/lists/[^"]+)"', visitor.ask(page).text))
        assert links == {f"/lists/{name}.{form}" for name in names for form in MEDIA_TYPES}, page
    assert set.union(*PAGES.values()) == set(LISTS)
    for name in LISTS:
        files = {form: visitor.ask(f"/lists/{name}.{form}") for form in MEDIA_TYPES}
        for form, answer in files.items():
            assert answer.status == 200, answer.text
            assert answer.headers["content-disposition"].endswith(f'"{name}.{form}"')
        [head, *lines] = csv.reader(io.StringIO(files["csv"].text))
        rows = json.loads(files["json"].text)
        table = parquet.read_table(io.BytesIO(files["parquet"].body))
        assert len(lines) == len(rows) == table.num_rows > 0
        assert head == list(rows[0]) == table.column_names


def test_what_is_in_them(visitor: Visitor, centre: Centre, full: None) -> None:
    tokens = csv.DictReader(io.StringIO(visitor.ask("/lists/tokens.csv").text))
    assert {token["name"]: token["scopes"] for token in tokens}["'=1"] == "read"
    file = io.BytesIO(visitor.ask("/lists/maintenance-rules.parquet").body)
    [rule] = parquet.read_table(file).to_pylist()
    # By the clocks of Kathmandu, and no instant of UTC.
    assert rule["first_at"] == "2030-07-01 02:00:00"
    file = io.BytesIO(visitor.ask("/lists/report-schedules.parquet").body)
    assert parquet.read_table(file).column("objective").to_pylist() == [99.9]
    [told] = csv.DictReader(io.StringIO(visitor.ask("/lists/notifications.csv").text))
    assert (told["channel"], told["about"]) == ("Night", "'=Shop")
    assert (told["severity"], told["cause"], told["incident_id"]) == ("degraded", "too_slow", "")
    [mail] = csv.DictReader(io.StringIO(visitor.ask("/lists/report-mails.csv").text))
    assert (mail["kind"], mail["report"], mail["revision"]) == ("report", "'=Monthly", "2")
    [mail] = json.loads(visitor.ask("/lists/licence-mails.json").text)
    assert (mail["kind"], mail["report"]) == ("trial_ends", None)
    pages = {
        page["slug"]: page for page in json.loads(visitor.ask("/lists/status-pages.json").text)
    }
    # Other tests may have made it, of other monitors.
    shown = centre.execute(
        """
        SELECT monitor_id FROM vantage.status_page_monitors
        JOIN vantage.status_pages ON status_pages.id = page_id WHERE slug = 'shop'
        """
    )
    assert sorted(pages["shop"]["monitor_ids"]) == sorted(number for (number,) in shown)


def test_monitors_and_incidents_are_those_that_the_page_shows(
    visitor: Visitor, centre: Centre, full: None
) -> None:
    shown = visitor.ask("/?q=health").text
    [link] = re.findall(r'href="(/lists/monitors.json[^"]*)"', shown)
    [monitor] = json.loads(visitor.ask(link).text)
    # Its results grow old while other tests run: where it is up now may be missing then.
    states = [monitor[state] for state in ("up", "slow", "down", "missing", "waiting")]
    assert (monitor["name"], sum(states)) == ("Health check", 2)
    assert monitor["checks"] > 0
    assert monitor["failed"] == 0 < monitor["median_us"] <= monitor["p95_us"]
    everything = json.loads(visitor.ask("/lists/monitors.json").text)
    listed = re.findall(r'<h2><a href="/m/(\d+)', visitor.ask("/").text)
    assert [str(each["id"]) for each in everything] == listed
    home, other = centre.monitor("Home page"), centre.monitor("Health check")
    assert len(json.loads(visitor.ask(f"/lists/incidents.json?monitor={home}").text)) == 1
    assert json.loads(visitor.ask(f"/lists/incidents.json?monitor={other}").text) == []


def test_who_may_not_see_the_page_may_not_take_its_list(
    stranger: Visitor, other_visitor: Visitor, centre: Centre, full: None
) -> None:
    assert stranger.ask("/lists/members.csv").status == 303
    for name in ("notifications", "report-mails", "licence-mails"):
        assert json.loads(other_visitor.ask(f"/lists/{name}.json").text) == []
    for name in ("agents", "troubles", "nothing"):
        assert other_visitor.ask(f"/lists/{name}.csv").status == 404
    centre.execute("UPDATE vantage.users SET role = 'viewer' WHERE email = 'other@example.com'")
    try:
        for name in ("audit", "licence-mails"):
            assert other_visitor.ask(f"/lists/{name}.csv").status == 404
        assert other_visitor.ask("/lists/members.xml").status == 404
        [member] = json.loads(other_visitor.ask("/lists/members.json").text)
        assert member["email"] == "other@example.com"
    finally:
        centre.execute("UPDATE vantage.users SET role = 'owner' WHERE email = 'other@example.com'")


def test_an_incidents_tables_can_be_taken_along(
    visitor: Visitor, stranger: Visitor, other_visitor: Visitor, centre: Centre
) -> None:
    incident_id = centre.new_incident("Home page", "fra", "iad", is_open=False)
    centre.execute(
        "UPDATE vantage.incident_evidence SET detail = '=1' WHERE which = 'last';"
        "UPDATE vantage.incident_events SET detail = '=1' WHERE kind = 'opened'"
    )
    path = f"/incidents/{incident_id}"
    try:
        links = re.findall(rf'href="({path}/\w+\.\w+)"', visitor.ask(path).text)
        names = {"evidence": 6, "events": 3}
        assert links == [f"{path}/{name}.{form}" for name in names for form in MEDIA_TYPES]
        for name, number in names.items():
            rows = json.loads(visitor.ask(f"{path}/{name}.json").text)
            lines = list(csv.DictReader(io.StringIO(visitor.ask(f"{path}/{name}.csv").text)))
            file = parquet.read_table(io.BytesIO(visitor.ask(f"{path}/{name}.parquet").body))
            assert len(rows) == len(lines) == file.num_rows == number
            assert list(rows[0]) == list(lines[0]) == file.column_names
            assert "'=1" in {line["detail"] for line in lines}
            assert stranger.ask(f"{path}/{name}.csv").status == 303
            assert other_visitor.ask(f"{path}/{name}.csv").status == 404
        assert visitor.ask(f"{path}/members.csv").status == 404
        assert visitor.ask(f"{path}/evidence.sql").status == 404
        assert rows[0]["kind"] == "opened"
    finally:
        centre.execute("DELETE FROM vantage.incidents")
