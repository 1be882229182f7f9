"""A month's report, held against counting by hand; and what amends it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from collector.operator.main import main
from tests.support.database import Database, Databases

NOW = datetime.now(UTC)
MONTH = (NOW.replace(day=1) - timedelta(days=1)).replace(
    day=1, hour=0, minute=0, second=0, microsecond=0
)
AGENT = "md5('agent')::uuid"
WORLD = """
INSERT INTO vantage.accounts (name) VALUES ('one'), ('two');
INSERT INTO vantage.users (account_id, email, name) VALUES (1, 'a@one.example', 'A');
INSERT INTO vantage.locations (name, title) VALUES ('fra', 'Frankfurt');
INSERT INTO vantage.monitors (account_id, name, url, interval_s, created_at)
SELECT account, 'm' || account, 'http://a.example/', 3600, '2026-01-01'
FROM generate_series(1, 2) AS account;
INSERT INTO vantage.monitor_locations SELECT id, 'fra' FROM vantage.monitors;
DELETE FROM vantage.monitor_definitions WHERE valid_to_at IS NOT NULL;
UPDATE vantage.monitor_definitions SET valid_from_at = '2026-01-01', locations = '{fra}'
"""


class Month:
    def __init__(self, database: Database) -> None:
        self.url = database.url()

    def run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def results(self, hours: range, *, outcome: str = "up", total_us: int = 100_000) -> None:
        """A result in each of these hours of the month, rolled up as a collector does it."""
        self.run(
            "WITH stored AS (INSERT INTO vantage.results (slot_at, started_at, body_bytes,"
            " monitor_id, total_us, redirect_us, dns_us, delay_us, lag_us, header_bytes,"
            " target_port, outcome, failure, agent_id, redirects, suspect, location)"
            " SELECT at, at, 0, 1, %s, 0, %s, 0, 0, 0, 80, %s::text::vantage.outcome, %s,"
            f" {AGENT}, 0, false, 'fra'"
            " FROM generate_series(%s::timestamptz, %s, '1 hour') AS at RETURNING slot_at)"
            " INSERT INTO vantage.ingested (from_slot_at, to_slot_at, agent_id, results, location)"
            f" SELECT min(slot_at), max(slot_at), {AGENT}, count(*), 'fra'"
            " FROM stored",
            total_us,
            total_us,
            outcome,
            None if outcome == "up" else "other",
            MONTH + timedelta(hours=hours.start, minutes=1),
            MONTH + timedelta(hours=hours.stop - 1, minutes=1),
        )
        self.run("SELECT vantage.roll_up()")

    def report(self, objective: float = 99, limit_us: int | None = None) -> dict[str, Any]:
        [(revision, _, [content], is_over)] = self.run(
            "SELECT * FROM vantage.report_of(1, %s, NULL, %s::numeric, %s, 90)",
            MONTH.date(),
            str(objective),
            limit_us,
        )
        assert is_over
        return {**content, "revision": revision}


@pytest.fixture(scope="module")
def month(databases: Databases) -> Iterator[Month]:
    with databases.migrated() as database:
        month = Month(database)
        for statement in WORLD.split(";\n"):
            month.run(statement)
        month.results(range(0, 200))
        month.results(range(200, 202), outcome="down")
        month.results(range(202, 232), total_us=900_000)
        yield month


def test_it_is_counted_and_amended_by_what_comes_late(month: Month) -> None:
    hours = (MONTH + timedelta(days=31)).replace(day=1) - MONTH
    due = round(hours / timedelta(hours=1))
    first = month.report(limit_us=500_000)
    expected = {
        "monitor": "m1",
        "due": due,
        "run": 232,
        "missing": due - 232,
        "passed": 230,
        "judged": 232,
        "availability": 99.137,
        "budget": 2,
        "spent": 2,
        "is_met": True,
        "timed": 230,
        "within": 200,
        "within_share": 86.956,
        "is_fast_enough": False,
        "revision": 1,
        "maintenance_s": 0,
    }
    assert {name: first[name] for name in expected} == expected
    assert first["median_us"] == pytest.approx(100_000, rel=0.05)
    assert first["p95_us"] == pytest.approx(900_000, rel=0.05)
    # Nothing changed, and another name is no change.
    month.run("UPDATE vantage.monitors SET name = 'renamed' WHERE id = 1")
    assert month.report(limit_us=500_000)["revision"] == 1
    month.run("UPDATE vantage.monitors SET name = 'm1' WHERE id = 1")
    month.results(range(240, 241), outcome="down")
    late = month.report(limit_us=500_000)
    assert (late["revision"], late["spent"], late["is_met"]) == (2, 3, False)
    month.run(
        "INSERT INTO vantage.maintenance (account_id, from_at, to_at) VALUES (1, %s, %s)",
        MONTH + timedelta(hours=200),
        MONTH + timedelta(hours=202),
    )
    excused = month.report(limit_us=500_000)
    assert (excused["revision"], excused["spent"], excused["maintenance_s"]) == (3, 1, 7200)
    kept = month.run(
        "SELECT revision, content -> 0 ->> 'spent' FROM vantage.reports"
        " WHERE parameters ->> 'limit_us' = '500000' ORDER BY 1"
    )
    assert kept == [(1, "2"), (2, "3"), (3, "1")]
    # Another objective is another report.
    assert month.report(objective=50)["revision"] == 1


def test_incidents_are_clipped_to_the_month(month: Month) -> None:
    month.run(
        "INSERT INTO vantage.incidents (account_id, monitor_id, severity, began_at, opened_at,"
        " recovered_at, closed_at, cause, summary) VALUES (1, 1, 'down', %s, %s, %s, %s, 'x', 'x')",
        MONTH - timedelta(hours=1),
        MONTH - timedelta(hours=1),
        MONTH + timedelta(minutes=10),
        MONTH + timedelta(minutes=12),
    )
    found = month.report(objective=10)
    assert (found["incidents"], found["incident_s"]) == (1, 600)


def run(month: Month, *arguments: str) -> Any:
    return CliRunner().invoke(
        main, ["report", f"--database={month.url}", "--account=one", *arguments]
    )


def test_operators_see_it_as_text_json_and_csv(month: Month) -> None:
    text = run(month, f"--month={MONTH:%Y-%m}", "--objective=20")
    assert text.exit_code == 0, text.output
    assert text.output.splitlines()[2].split()[0] == "m1"
    [entry] = json.loads(run(month, "--format=json", "--objective=20").output)["content"]
    assert entry["monitor"] == "m1"
    lines = run(month, "--format=csv", "--objective=20").output.splitlines()
    assert lines[0].startswith("period,revision,made_at,objective,limit_us,share,monitor_id,")
    assert re.match(rf"{MONTH:%Y-%m},1,20\d\d-\S+T\S+\+00:00,20(\.0)?,,,\d+,m1,", lines[1])
    assert len(lines) == 2
    assert run(month, f"--month={NOW:%Y-%m}").output.splitlines()[0].endswith("Objective 99.9 %.")
    nobodys = run(month, "--month=2025-12")
    assert nobodys.output.splitlines()[1:] == ["No monitor was watched then."]


def test_what_customers_name_is_no_formula_to_operators(month: Month) -> None:
    month.run("UPDATE vantage.monitors SET name = '=1+1' WHERE id = 1")
    try:
        _, row = run(month, "--format=csv").output.splitlines()
    finally:
        month.run("UPDATE vantage.monitors SET name = 'm1' WHERE id = 1")
    assert ",'=1+1," in row


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--month=2099-01"], "is yet to come"),
        (["--month=October"], "'October' is no month. Write YYYY-MM, such as"),
        (["--objective=101"], "0<=x<=100"),
        (["--limit=0.5ms"], "at least 1 ms"),
    ],
)
def test_what_cannot_be_reported_is_told(month: Month, arguments: list[str], sentence: str) -> None:
    refused = run(month, *arguments)
    assert refused.exit_code != 0
    assert sentence in refused.output
    assert "Traceback" not in refused.output


START = datetime(2027, 1, 1, tzinfo=UTC)
SCHEDULE = """
WITH person AS (
    INSERT INTO vantage.users (account_id, email, name) VALUES (2, %(name)s || '@x.example', 'X')
    RETURNING id
),
schedule AS (
    INSERT INTO vantage.report_schedules (account_id, name, period, day, at, time_zone, objective,
        share, has_revisions, created_at, looked_at)
    VALUES (2, %(name)s, %(period)s, %(day)s, %(at)s, %(zone)s, 50, 95, true, %(created_at)s,
        %(created_at)s)
    RETURNING id
)
INSERT INTO vantage.report_recipients
SELECT schedule.id, person.id FROM schedule CROSS JOIN person RETURNING schedule_id
"""


def schedule(month: Month, name: str, created_at: datetime = START, **values: object) -> int:
    month.run("DELETE FROM vantage.report_schedules")
    with psycopg.connect(month.url) as connection:
        cursor = connection.execute(
            SCHEDULE.encode(),
            {"name": name, "at": "08:00", "zone": "UTC", "created_at": created_at, **values},
        )
        [(made,)] = cursor.fetchall()
    return int(made)


@pytest.mark.parametrize(
    ("values", "mailed"),
    [
        (
            {"period": "month", "day": 3, "zone": "Europe/Berlin"},
            [("2027-01-03 07", "2026-12-01"), ("2027-02-03 07", "2027-01-01")],
        ),
        # Its own month is over before that of UTC, which reports are about.
        (
            {"period": "month", "day": 1, "at": "00:30", "zone": "Pacific/Auckland"},
            [("2027-01-01 01", "2026-12-01"), ("2027-02-01 01", "2027-01-01")],
        ),
        (
            {"period": "week", "day": 7, "at": "23:30", "zone": "America/New_York"},
            [(f"2027-01-{n:02} 05", f"2026-12-{n + 17:02}") for n in (4, 11)]
            + [("2027-01-18 05", "2027-01-04"), ("2027-01-25 05", "2027-01-11")]
            + [("2027-02-01 05", "2027-01-18")],
        ),
    ],
)
def test_a_report_is_mailed_once_a_period(
    month: Month, values: dict[str, Any], mailed: list[tuple[str, str]]
) -> None:
    number = schedule(month, f"{values['zone']} {values['period']}", **values)
    hours = month.run(
        "SELECT at AT TIME ZONE 'UTC' FROM generate_series(%s, %s, INTERVAL '1 hour') AS at"
        " WHERE vantage.decide_report_mails(at) = 1",
        START,
        START + timedelta(days=34),
    )
    first_days = month.run(
        "SELECT content ->> 'first_day' FROM vantage.mails WHERE step LIKE %s ORDER BY id",
        f"report {number} %",
    )
    seen = [(f"{at:%Y-%m-%d %H}", day) for (at,), (day,) in zip(hours, first_days, strict=True)]
    assert seen == mailed


def test_a_revision_is_mailed_to_who_asks_for_it(month: Month) -> None:
    schedule(month, "revised", MONTH, period="month", day=1)
    after = (MONTH + timedelta(days=32)).replace(day=1, hour=9)
    [(made,)] = month.run("SELECT vantage.decide_report_mails(%s)", after)
    assert made == 1
    days = iter(range(1, 9))

    def later() -> int:
        [(made,)] = month.run(
            "SELECT vantage.decide_report_mails(%s)", after + timedelta(days=2 * next(days))
        )
        return int(made)

    # Nobody was sent it yet, so there is nothing to amend.
    assert later() == 0
    month.run("UPDATE vantage.mails SET sent_at = now()")
    assert later() == 0
    month.run(
        "INSERT INTO vantage.maintenance (account_id, from_at, to_at) VALUES (2, %s, %s)",
        MONTH + timedelta(days=3),
        MONTH + timedelta(days=4),
    )
    assert (later(), later()) == (1, 0)
    [(step,)] = month.run("SELECT step FROM vantage.mails ORDER BY id DESC LIMIT 1")
    assert step.endswith(f"{MONTH:%Y-%m-01} revision 2")
