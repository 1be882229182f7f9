"""What is older than it is kept goes by whole chunks; what is not summed up yet waits."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import errors

from collector.operator.main import main
from tests.support.database import Database
from tests.support.history import ingest, random_row


def run(database: Database, *arguments: str) -> str:
    url = database.url(role="vantage_collector")
    result = CliRunner().invoke(main, ["db", *arguments, f"--database={url}"])
    assert result.exit_code == 0, result.output
    return result.output


def days(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute(
        "SELECT count(DISTINCT date_bin('1 day', slot_at, 'epoch')) FROM vantage.results"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_old_chunks_go_once_they_are_summed_up(database: Database) -> None:
    luck = random.Random(1)
    now = datetime.now(UTC)
    with psycopg.connect(database.url(role="vantage_collector"), autocommit=True) as connection:
        for age in (60, 50, 20, 0):
            row = replace(random_row(luck), slot_at=now - timedelta(days=age), is_extra=False)
            ingest(connection, [row])
        dropped = "SELECT count(*) FROM vantage.drop_expired()"
        assert connection.execute(dropped).fetchone() == (0,), "they are not summed up"
        for _ in range(4):
            connection.execute("SELECT vantage.roll_up()")
        assert days(connection) == 4
        assert connection.execute(dropped).fetchone() == (2,)
        assert days(connection) == 2
        run(database, "keep", "results", "10")
        assert connection.execute(dropped).fetchone() == (1,)
        kept = connection.execute("SELECT count(*) FROM vantage.rollups_1d").fetchone()
        assert kept is not None
        assert kept[0] >= 3


def test_retention_is_shown_and_set(database: Database) -> None:
    assert run(database, "keep", "results", "--for-ever") == "results: kept for ever\n"
    assert run(database, "keep", "rollups_1d", "900") == "rollups_1d: kept 900 days\n"
    shown = {line.split()[0]: line.split()[1] for line in run(database, "retention").splitlines()}
    assert (shown["results"], shown["rollups_1d"], shown["exchanges"]) == ("-", "900", "35")


def test_before_when_a_table_holds_nothing(database: Database) -> None:
    """Where its oldest chunk begins, which no row has to be at: that is had without reading any."""
    slot_at = datetime(2026, 3, 4, 17, 30, tzinfo=UTC)
    with psycopg.connect(database.url(role="vantage_collector"), autocommit=True) as connection:
        ingest(connection, [replace(random_row(random.Random(4)), slot_at=slot_at)])
    shown = {each["relation"]: each for each in json.loads(run(database, "retention", "--json"))}
    before_at = datetime.fromisoformat(shown["results"]["nothing_before_at"])
    assert slot_at - timedelta(days=1) < before_at <= slot_at
    assert shown["gaps"]["nothing_before_at"] is None, "it holds no row at all"


def test_totals_stay_no_longer_than_their_hours(database: Database) -> None:
    """Hours before are read from where they are."""
    luck = random.Random(3)
    now = datetime.now(UTC)
    with psycopg.connect(database.url(role="vantage_collector"), autocommit=True) as connection:
        connection.execute(
            "UPDATE vantage.rollup_progress SET hours_from_at = now() - INTERVAL '90 days',"
            " hours_to_at = now()"
        )
        for age in (60, 20):
            row = replace(random_row(luck), slot_at=now - timedelta(days=age), is_extra=False)
            ingest(connection, [row])
        while connection.execute("SELECT batches FROM vantage.roll_up()").fetchone() != (0,):
            pass
        asked = (
            "SELECT (SELECT count(*) FROM vantage.totals_1h), (SELECT count(*) FROM"
            " vantage.rollups_1h), (SELECT sum(run)::integer FROM vantage.summed_since("
            "'{1,2,3}', now() - INTERVAL '90 days') WHERE location IS NULL)"
        )
        found = [connection.execute(asked).fetchone()]
        for relation, kept in (("totals_1h", "40"), ("rollups_1h", "10")):
            run(database, "keep", relation, kept)
            connection.execute("SELECT vantage.drop_expired()")
            found.append(connection.execute(asked).fetchone())
        assert found == [(2, 2, 2), (1, 2, 2), (0, 0, None)]


def test_nobody_else_drops_anything(database: Database) -> None:
    for role in ("vantage_reader", "vantage_dashboard"):
        with (
            psycopg.connect(database.url(role=role)) as connection,
            pytest.raises(errors.InsufficientPrivilege),
        ):
            connection.execute("SELECT vantage.drop_expired()")


def test_an_accounts_results_go_sooner_where_it_is_limited(database: Database) -> None:
    """Its hours stay, others' results stay, and what is not summed up waits."""
    luck = random.Random(2)
    now = datetime.now(UTC)
    with psycopg.connect(database.url(role="vantage_collector"), autocommit=True) as connection:
        connection.execute("INSERT INTO vantage.accounts (name) VALUES ('small'), ('large')")
        connection.execute(
            "INSERT INTO vantage.monitors (account_id, name, url)"
            " VALUES (1, 'm', 'http://a.example/'), (2, 'm', 'http://a.example/')"
        )
        assert run(database, "keep", "results", "10", "--account", "small") == (
            "results of small: kept 10 days at most\n"
        )
        for age in (20, 12, 5):
            for monitor in (1, 2):
                row = replace(
                    random_row(luck),
                    slot_at=now - timedelta(days=age),
                    monitor_id=monitor,
                    is_extra=False,
                )
                ingest(connection, [row])
        remove = "SELECT account_id, removed FROM vantage.remove_expired()"
        assert connection.execute(remove).fetchall() == [], "they are not summed up"
        while connection.execute("SELECT batches FROM vantage.roll_up()").fetchone() != (0,):
            pass
        removed = [connection.execute(remove).fetchall() for _ in range(3)]
        assert removed == [[(1, 1)], [(1, 1)], []]
        left = connection.execute(
            "SELECT monitor_id, count(*) FROM vantage.results GROUP BY 1 ORDER BY 1"
        ).fetchall()
        assert left == [(1, 1), (2, 3)]
        hours = connection.execute("SELECT sum(run) FROM vantage.results_1h").fetchone()
        assert hours == (6,)
        shown = run(database, "retention")
        assert "results of small" in shown
        run(database, "keep", "results", "--for-ever", "--account", "small")
        assert "of small" not in run(database, "retention")

        # By its plan, in the other account too, where that is less.
        connection.execute("INSERT INTO vantage.plans (name, title) VALUES ('tiny', 'Tiny')")
        connection.execute("UPDATE vantage.accounts SET plan = 'tiny'")
        url = database.url(role="vantage_collector")
        limit = ["plan", "set", "tiny", "--results-days=15", f"--database={url}"]
        assert CliRunner().invoke(main, limit).exit_code == 0
        for wanted in ("30", "--for-ever"):
            assert run(database, "keep", "results", wanted, "--account", "small") == (
                "results of small: kept 15 days at most: its plan has no more\n"
            )
        run(database, "keep", "results", "3", "--account", "large")
        shown = run(database, "retention")
        assert [line.split()[3] for line in shown.splitlines() if " of " in line] == ["3", "15"]
        removed = [connection.execute(remove).fetchall() for _ in range(4)]
        assert removed == [[(2, 1)], [(2, 1)], [(2, 1)], []]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["gaps", "10", "--account", "acme"], "Only results"),
        (["results", "10", "--account", "nobody"], "There is no account nobody."),
    ],
)
def test_what_cannot_be_kept_by_account(
    database: Database, arguments: list[str], sentence: str
) -> None:
    url = database.url(role="vantage_collector")
    result = CliRunner().invoke(main, ["db", "keep", *arguments, f"--database={url}"])
    assert result.exit_code != 0
    assert sentence in result.output
