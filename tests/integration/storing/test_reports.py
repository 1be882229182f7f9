"""A month's report, held against counting by hand; and what amends it."""

from __future__ import annotations

import json
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
            " INSERT INTO vantage.ingested (from_slot_at, to_slot_at, agent_id, results, location,"
            f" monitor_ids) SELECT min(slot_at), max(slot_at), {AGENT}, count(*), 'fra', '{{1}}'"
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
    assert lines[0].startswith("monitor_id,monitor,url,due,")
    assert len(lines) == 2
    assert run(month, f"--month={NOW:%Y-%m}").output.splitlines()[0].endswith("Objective 99.9 %.")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--month=2099-01"], "is yet to come"),
        (["--month=October"], "does not match the format"),
        (["--objective=101"], "0<=x<=100"),
        (["--limit=0.5ms"], "at least 1 ms"),
    ],
)
def test_what_cannot_be_reported_is_told(month: Month, arguments: list[str], sentence: str) -> None:
    refused = run(month, *arguments)
    assert refused.exit_code != 0
    assert sentence in refused.output
    assert "Traceback" not in refused.output
