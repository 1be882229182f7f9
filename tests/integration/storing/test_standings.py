"""How every pair stands: kept with the rollups, never behind the results, never falsely missing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.support.database import Database
from tests.support.history import Row, ingest, random_row

MINUTE = timedelta(minutes=1)
STATES = ("up", "slow", "down", "missing", "waiting")
COUNTED = f"SELECT {', '.join(STATES)} FROM report.monitor_states"
SCANS_OF_RESULTS = """
SELECT sum(seq_scan + idx_scan)::integer
FROM pg_stat_xact_all_tables
JOIN pg_inherits ON inhrelid = relid AND inhparent = 'vantage.results'::regclass
"""
STANDING = "SELECT state, slot_at, first_slot_at FROM report.latest WHERE location = 'fra'"


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """One monitor, once a minute from fra."""
    with psycopg.connect(database.url(role="vantage_collector"), autocommit=True) as connection:
        connection.execute("INSERT INTO vantage.accounts (name) VALUES ('acme')")
        connection.execute("INSERT INTO vantage.locations (name, title) VALUES ('fra', 'F')")
        connection.execute(
            "INSERT INTO vantage.monitors (account_id, name, url, interval_s)"
            " VALUES (1, 'm', 'http://a.example/', 60)"
        )
        connection.execute("INSERT INTO vantage.monitor_locations VALUES (1, 'fra')")
        yield connection


def row(slot_at: datetime, outcome: str) -> Row:
    failure = None if outcome == "up" else "http_status"
    drawn = random_row(random.Random(1))
    return replace(
        drawn, slot_at=slot_at, monitor_id=1, location="fra", outcome=outcome, failure=failure
    )


def test_the_newest_result_is_shown_wherever_it_is(
    database: Database, connection: psycopg.Connection[Any]
) -> None:
    """Waiting for the rollups, shortly or for long, or in the standings; late ones come last."""
    now = datetime.now(UTC)
    with psycopg.connect(database.url(role="vantage_dashboard"), autocommit=True) as reader:
        reader.execute("SELECT set_config('vantage.account_id', '1', false)")

        def shown() -> tuple[Any, ...]:
            [found] = reader.execute(STANDING).fetchall()
            [counted] = reader.execute(COUNTED).fetchall()
            assert counted == tuple(int(found[0] == state) for state in STATES)
            return found

        assert shown() == ("waiting", None, None)
        ingest(connection, [row(now - 9 * MINUTE, "up")])
        assert shown() == ("missing", now - 9 * MINUTE, now - 9 * MINUTE)
        connection.execute("SELECT vantage.roll_up()")
        assert shown() == ("missing", now - 9 * MINUTE, now - 9 * MINUTE)

        ingest(connection, [row(now - 2 * MINUTE, "down")])
        assert shown() == ("down", now - 2 * MINUTE, now - 9 * MINUTE)
        connection.execute("SELECT vantage.roll_up()")
        assert shown() == ("down", now - 2 * MINUTE, now - 9 * MINUTE)

        ingest(connection, [row(now - 12 * MINUTE, "up"), row(now - 7 * MINUTE, "degraded")])
        connection.execute("SELECT vantage.roll_up()")
        assert shown() == ("down", now - 2 * MINUTE, now - 12 * MINUTE)

        # Whoever keeps the standings has not come round for long.
        ingest(connection, [row(now - MINUTE, "up")])
        connection.execute("UPDATE vantage.results SET received_at = now() - INTERVAL '1 min'")
        connection.execute(
            "UPDATE vantage.ingested SET received_from_at = now() - INTERVAL '1 min'"
        )
        assert shown() == ("up", now - MINUTE, now - 12 * MINUTE)
        connection.execute("UPDATE vantage.monitors SET paused_at = now()")
        [[state, _, _]] = reader.execute(STANDING).fetchall()
        assert state == "paused"


def test_what_is_overdue_is_not_looked_for_where_everything_has_been_kept(
    database: Database, connection: psycopg.Connection[Any]
) -> None:
    """Or silent agents would make every look at the overview one into all results."""
    ingest(connection, [row(datetime.now(UTC) - 9 * MINUTE, "up")])
    connection.execute("SELECT vantage.roll_up()")
    with psycopg.connect(database.url(role="vantage_dashboard")) as reader:
        reader.execute("SELECT set_config('vantage.account_id', '1', false)")
        [[state, _, _]] = reader.execute(STANDING).fetchall()
        assert state == "missing"
        reader.execute(COUNTED)
        # What functions read is in no plan, but counted.
        assert reader.execute(SCANS_OF_RESULTS).fetchall() == [(0,)]


def test_a_sessions_way_of_writing_instants_changes_nothing(
    database: Database, connection: psycopg.Connection[Any]
) -> None:
    """CST is read as America's, and written for Shanghai's where the style is not ISO."""
    slot_at = datetime.now(UTC) - timedelta(hours=12)
    ingest(connection, [row(slot_at, "up")])
    with psycopg.connect(database.url(role="vantage_dashboard"), autocommit=True) as reader:
        reader.execute("SELECT set_config('vantage.account_id', '1', false)")
        reader.execute("SET timezone = 'Asia/Shanghai'")
        for style in ("ISO", "Postgres", "SQL"):
            reader.execute("SELECT set_config('datestyle', %s, false)", [style])
            newer = reader.execute("SELECT count(*) FROM report.newer_than_kept()")
            assert newer.fetchone() == (1,), style
            found = reader.execute(
                "SELECT count(*) FROM report.results_between("
                "1, '{fra}', now() - INTERVAL '12 hours 1 min', now() - INTERVAL '11 hours')"
            )
            assert found.fetchone() == (1,), style


def test_looks_into_the_past_find_nothing_of_another_account(
    database: Database, connection: psycopg.Connection[Any]
) -> None:
    slot_at = datetime.now(UTC) - MINUTE
    ingest(connection, [row(slot_at, "down")])
    looks = """
    SELECT
        report.failing_since(1, 'fra'),
        report.slot_after(1, 'fra', '-infinity'),
        report.slot_before(1, 'fra', 'infinity'),
        (SELECT max(slot_at) FROM report.newer_than_kept()),
        (SELECT max(slot_at) FROM report.results_between(1, '{fra}', '-infinity', 'infinity'))
    """
    with psycopg.connect(database.url(role="vantage_dashboard"), autocommit=True) as reader:
        for account, found in (("1", slot_at), ("2", None), ("", None)):
            reader.execute("SELECT set_config('vantage.account_id', %s, false)", [account])
            assert reader.execute(looks).fetchone() == (found,) * 5, f"as account {account!r}"
