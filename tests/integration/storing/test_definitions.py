"""What a monitor was at any time, and the slots that were due by it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg
import pytest

from tests.support.database import Database

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """As the collector's role, which triggers must serve; monitor 1 is probed from two places."""
    with psycopg.connect(database.url(role="vantage_collector"), autocommit=True) as connection:
        connection.execute("INSERT INTO vantage.accounts (name) VALUES ('acme')")
        connection.execute(
            "INSERT INTO vantage.locations (name, title) VALUES ('fra', 'F'), ('sin', 'S')"
        )
        with connection.transaction():
            connection.execute(
                "INSERT INTO vantage.monitors (account_id, name, url, headers, body) SELECT id,"
                ' \'Shop\', \'http://a.example/\', \'[{"name": "X-Key", "value": "secret"}]\','
                " 'secret' FROM vantage.accounts"
            )
            connection.execute("INSERT INTO vantage.monitor_locations VALUES (1, 'fra')")
            connection.execute("INSERT INTO vantage.monitor_locations VALUES (1, 'sin')")
        yield connection


def history(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT interval_s, locations, valid_to_at IS NULL FROM vantage.monitor_definitions"
        " ORDER BY monitor_id, valid_from_at"
    ).fetchall()


def due(connection: psycopg.Connection[Any], location: str, days: int) -> int:
    row = connection.execute(
        "SELECT vantage.slots_due(1, %s, %s, %s)", [location, BEGAN, BEGAN + timedelta(days=days)]
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_one_transaction_makes_one_definition(connection: psycopg.Connection[Any]) -> None:
    assert history(connection) == [(60, ["fra", "sin"], True)]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE vantage.monitors SET interval_s = 10",
        "UPDATE vantage.monitors SET slow_us = 1000",
        "UPDATE vantage.monitors SET url = 'http://b.example/'",
        'UPDATE vantage.monitors SET assertions = \'[{"kind": "status"}]\'',
        "DELETE FROM vantage.monitor_locations WHERE location = 'sin'",
        "DELETE FROM vantage.locations WHERE name = 'sin'",
    ],
)
def test_a_change_ends_one_definition_and_begins_another(
    connection: psycopg.Connection[Any], change: LiteralString
) -> None:
    connection.execute(change)
    assert [row[2] for row in history(connection)] == [False, True]
    [joined] = connection.execute(
        "SELECT count(*) FROM vantage.monitor_definitions AS ended"
        " JOIN vantage.monitor_definitions AS begun ON ended.valid_to_at = begun.valid_from_at"
    ).fetchall()
    assert joined == (1,)


def test_what_changes_nothing_is_no_definition(connection: psycopg.Connection[Any]) -> None:
    connection.execute("UPDATE vantage.monitors SET is_everywhere = true, interval_s = 60")
    assert len(history(connection)) == 1


def test_a_removed_monitor_keeps_its_history_and_a_deleted_one_does_not(
    connection: psycopg.Connection[Any],
) -> None:
    connection.execute("UPDATE vantage.monitors SET removed_at = now()")
    assert history(connection) == [(60, ["fra", "sin"], False)]
    connection.execute("UPDATE vantage.monitors SET removed_at = NULL")
    assert history(connection)[1] == (60, ["fra", "sin"], True)
    connection.execute("DELETE FROM vantage.monitors")
    assert history(connection) == []


def test_a_secret_is_not_remembered(connection: psycopg.Connection[Any]) -> None:
    [(text,)] = connection.execute(
        "SELECT definition::text FROM vantage.monitor_definitions"
    ).fetchall()
    assert '"X-Key"' in text
    assert "secret" not in text


def test_a_transaction_that_began_earlier_may_write_later(
    database: Database, connection: psycopg.Connection[Any]
) -> None:
    with psycopg.connect(database.url()) as early:
        early.execute("SELECT now()")
        connection.execute("UPDATE vantage.monitors SET interval_s = 30")
        early.execute("UPDATE vantage.monitors SET interval_s = 20")
    assert [row[0] for row in history(connection)] == [60, 30, 20]


def test_slots_are_due_by_the_interval_that_was_in_force(
    database: Database, connection: psycopg.Connection[Any]
) -> None:
    """Day 1 and 2 every minute, day 3 every 10 s and from fra only, removed for day 4."""
    with psycopg.connect(database.url()) as owner:
        owner.execute("DELETE FROM vantage.monitor_definitions")
        for first, last, interval_s, locations in (
            (0, 2, 60, ["fra", "sin"]),
            (2, 3, 10, ["fra"]),
        ):
            owner.execute(
                "INSERT INTO vantage.monitor_definitions VALUES (1, %s, %s, %s, %s, '{}')",
                [BEGAN + timedelta(first), BEGAN + timedelta(last), interval_s, locations],
            )
    assert [due(connection, "fra", days) for days in (1, 2, 3, 4)] == [1440, 2880, 11520, 11520]
    assert [due(connection, "sin", days) for days in (1, 2, 3, 4)] == [1440, 2880, 2880, 2880]
    assert due(connection, "nyc", 4) == 0


def test_the_report_centre_counts_the_slots_of_its_own_account(
    database: Database, connection: psycopg.Connection[Any]
) -> None:
    with psycopg.connect(database.url(role="vantage_dashboard")) as centre:
        asked = (
            "SELECT location, due FROM report.slots_due(1, '{fra,sin,nyc}',"
            " ARRAY[now(), now() + INTERVAL '30 min', now()], now() + INTERVAL '1 hour')"
        )
        for account, rows in (("1", [("fra", 60), ("sin", 30)]), ("2", []), ("", [])):
            centre.execute("SELECT set_config('vantage.account_id', %s, true)", [account])
            assert sorted(centre.execute(asked).fetchall()) == rows
