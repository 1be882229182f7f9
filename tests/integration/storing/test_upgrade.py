"""Upgrades: an earlier schema's rows come through, and nothing that is stored meanwhile is lost."""

from __future__ import annotations

import random
import shutil
import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from collector.db import SQL
from collector.errors import CollectorError
from collector.migrate import migrate
from tests.support.database import Database
from tests.support.history import BEGAN, ingest, random_row

DATA = Path(__file__).parents[2] / "data"


def early(folder: Path, last: str) -> Path:
    """The migrations up to a number, without views: those of that time are not there any more."""
    scripts = folder / last
    (scripts / "migrations").mkdir(parents=True)
    (scripts / "views").mkdir()
    for path in (SQL / "migrations").glob("*.sql"):
        if path.name[:4] <= last:
            shutil.copy(path, scripts / "migrations")
    return scripts


@pytest.mark.parametrize("last", ["0001", "0021"])
def test_rows_of_an_earlier_schema_come_through(
    empty_database: Database, tmp_path: Path, last: str
) -> None:
    url = empty_database.url()
    migrate(url, scripts=early(tmp_path, last))
    with psycopg.connect(url) as connection:
        # A dump is restored without the triggers that filled it.
        connection.execute("SET session_replication_role = replica")
        connection.execute((DATA / f"rows-{last}.sql").read_text().encode())
    with psycopg.connect(url) as connection:
        before = rows(connection)
    assert migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        assert {table: rows(connection)[table] for table in before} == before
        while connection.execute("SELECT batches FROM vantage.roll_up()").fetchone() != (0,):
            pass
        sums = connection.execute(
            "SELECT sum(run), sum(up), sum(down), sum(total_sum_us) FROM vantage.results_1d"
        ).fetchone()
        assert sums == (4, 3, 1, 450_000)
        connection.execute("SELECT set_config('vantage.account_id', '1', false)")
        shown = connection.execute("SELECT name, url FROM report.monitors ORDER BY id").fetchall()
        assert shown == [("Shop", "https://shop.example/"), ("Blog", "https://blog.example/")]


def test_since_when_an_incident_fails_is_taken_out_of_its_sentences(
    empty_database: Database, tmp_path: Path
) -> None:
    url = empty_database.url()
    migrate(url, scripts=early(tmp_path, "0049"))
    first = "Connection refused from 2 of 3 locations (A and B) since 2026-11-26 14:00 UTC."
    again = "HTTP status 500 from 1 of 1 location (A) again since 2026-11-26 15:10 UTC."
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO vantage.accounts (name) VALUES ('acme')")
        connection.execute(
            "INSERT INTO vantage.monitors (account_id, name, url) VALUES (1, 'a', 'http://a/'),"
            " (1, 'b', 'http://b/')"
        )
        for monitor_id, summary in ((1, first), (2, again)):
            connection.execute(
                "INSERT INTO vantage.incidents (account_id, monitor_id, severity, began_at,"
                " opened_at, cause, summary) VALUES (1, %s, 'down', '2026-11-26 14:00:30+00',"
                " '2026-11-26 14:00:38+00', 'connect_refused', %s)",
                [monitor_id, summary],
            )
        connection.execute(
            "INSERT INTO vantage.incident_events (incident_id, kind, author, detail) VALUES"
            " (1, 'opened', NULL, %(first)s), (2, 'relapsed', NULL, %(again)s),"
            " (2, 'closed', NULL, NULL), (2, 'noted', 'ann', %(again)s)",
            {"first": first, "again": again},
        )
    assert migrate(url, scripts=early(tmp_path, "0050"))
    with psycopg.connect(url) as connection:
        connection.execute("SET timezone = 'UTC'")
        assert connection.execute(
            "SELECT failing_since_at::text, summary FROM vantage.incidents ORDER BY id"
        ).fetchall() == [
            ("2026-11-26 14:00:30+00", "Connection refused from 2 of 3 locations (A and B)."),
            ("2026-11-26 15:10:00+00", "HTTP status 500 from 1 of 1 location (A)."),
        ]
        assert connection.execute(
            "SELECT failing_since_at::text, detail FROM vantage.incident_events ORDER BY id"
        ).fetchall() == [
            ("2026-11-26 14:00:30+00", "Connection refused from 2 of 3 locations (A and B)."),
            ("2026-11-26 15:10:00+00", "HTTP status 500 from 1 of 1 location (A)."),
            (None, None),
            (None, again),  # whose words are not ours
        ]


# What of the second day had been made, as if it counted a thousand results.
MADE = """
INSERT INTO vantage.totals_1h
SELECT %(day)s, now(), 1, 1000, 0, 0, 0, 0, 'fra', NULL;
INSERT INTO vantage.rollups_1d
SELECT day.*
FROM (
    SELECT jsonb_object_agg(attname, 0) AS zeros FROM pg_attribute
    WHERE attrelid = 'vantage.rollups_1d'::regclass AND attnotnull
) AS numbers
CROSS JOIN LATERAL jsonb_populate_record(NULL::vantage.rollups_1d, zeros || jsonb_build_object(
    'bucket_at', %(day)s, 'updated_at', now(), 'monitor_id', 1, 'location', 'fra', 'run', 1000)
) AS day
"""


@pytest.mark.parametrize("hours", [30, 10])
def test_the_present_days_hours_are_added_to_it_anew(
    empty_database: Database, tmp_path: Path, hours: int
) -> None:
    """Where hours' totals had come further than the last whole day, and where not so far."""
    url = empty_database.url()
    migrate(url, scripts=early(tmp_path, "0052"))
    luck = random.Random(3)
    stored = [random_row(luck) for _ in range(300)]
    day = BEGAN + timedelta(days=1)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "UPDATE vantage.rollup_progress SET days_to_at = %s, days_monitor_id = 2,"
            " hours_from_at = %s, hours_to_at = %s, hours_monitor_id = 2",
            [day, BEGAN, BEGAN + timedelta(hours=hours)],
        )
        with psycopg.ClientCursor(connection) as script:
            script.execute(MADE.encode(), {"day": day})
        ingest(connection, stored)
        assert migrate(url)
        while connection.execute("SELECT batches FROM vantage.roll_up()").fetchone() != (0,):
            pass
        for _ in range(30):
            connection.execute("SELECT vantage.sum_up_hour()")
        runs = Counter((row.slot_at - BEGAN).days for row in stored if not row.is_extra)
        for asked in (
            "SELECT bucket_at, run FROM vantage.results_1d",
            "SELECT date_bin('1 day', bucket_at, 'epoch'), run FROM"
            " vantage.summed_since('{1,2,3}', '2026-03-01') WHERE location IS NULL",
        ):
            found: Counter[int] = Counter()
            for bucket_at, run in connection.execute(asked.encode()):
                found[(bucket_at - BEGAN).days] += run
            assert found == runs


def rows(connection: psycopg.Connection[Any]) -> dict[str, list[Any]]:
    """What the rows say that were there before, in columns that every schema has."""
    asked = {
        "accounts": "SELECT id, name FROM vantage.accounts ORDER BY 1",
        "monitors": "SELECT id, name, url, interval_s, slow_us FROM vantage.monitors ORDER BY 1",
        "places": "SELECT monitor_id, location FROM vantage.monitor_locations ORDER BY 1, 2",
        "agents": "SELECT id, location, name FROM vantage.agents ORDER BY 1",
        "incarnations": "SELECT agent_id, incarnation, high_water FROM vantage.incarnations",
        "results": "SELECT slot_at, monitor_id, location, outcome, failure, total_us, dns_us,"
        " connect_us, wait_us, target_ip FROM vantage.results ORDER BY slot_at, monitor_id",
        "exchanges": "SELECT slot_at, monitor_id, hop, url, total_us FROM vantage.exchanges",
    }
    return {name: connection.execute(text.encode()).fetchall() for name, text in asked.items()}


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """The project's own files, and a migration that changes the table that is written to."""
    copied = Path(shutil.copytree(SQL, tmp_path / "sql"))
    text = "ALTER TABLE vantage.results ADD COLUMN extra integer;\n"
    (copied / "migrations/9000_pre_add_extra.sql").write_text(text)
    return copied


def test_storing_goes_on_while_a_migration_waits(database: Database, scripts: Path) -> None:
    """Behind a reader that takes its time: who waits lets those pass who came after."""
    luck = random.Random(1)
    stored = []
    waits = threading.Event()

    def progress(step: str, done: int = 0, total: int = 0) -> None:
        if "lock" in step:
            waits.set()

    def store(connection: psycopg.Connection[Any], count: int) -> None:
        for _ in range(count):
            new = [random_row(luck) for _ in range(5)]
            ingest(connection, new)
            stored.extend(new)

    migration = threading.Thread(
        target=migrate, args=(database.url(), progress), kwargs={"scripts": scripts}
    )
    with (
        psycopg.connect(database.url(role="vantage_reader")) as reader,
        psycopg.connect(database.url(role="vantage_collector"), autocommit=True) as collector,
    ):
        store(collector, 3)
        reader.execute("SELECT count(*) FROM vantage.results")
        migration.start()
        assert waits.wait(60)
        collector.execute("SET statement_timeout = '30 s'")
        store(collector, 5)
        reader.rollback()
        store(collector, 5)
        migration.join(60)
        assert not migration.is_alive()
        store(collector, 5)
        while collector.execute("SELECT batches FROM vantage.roll_up()").fetchone() != (0,):
            pass
        found = collector.execute("SELECT count(*), count(extra) FROM vantage.results").fetchone()
        assert found == (len(stored), 0)
        run = collector.execute("SELECT sum(run) FROM vantage.results_1h").fetchone()
        assert run == (sum(not row.is_extra for row in stored),)


def test_a_lock_that_is_never_free_ends_the_migration(
    database: Database, scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.migrate.LOCK_ATTEMPTS", 1)
    with psycopg.connect(database.url(role="vantage_reader")) as reader:
        reader.execute("SELECT count(*) FROM vantage.results")
        with pytest.raises(CollectorError, match=r"9000_pre_add_extra\.sql .*lock.* Try again"):
            migrate(database.url(), scripts=scripts)
    assert migrate(database.url(), scripts=scripts) == ["9000_pre_add_extra.sql"]
