"""What is older than it is kept goes by whole chunks; what is not summed up yet waits."""

from __future__ import annotations

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


def test_nobody_else_drops_anything(database: Database) -> None:
    for role in ("vantage_reader", "vantage_dashboard"):
        with (
            psycopg.connect(database.url(role=role)) as connection,
            pytest.raises(errors.InsufficientPrivilege),
        ):
            connection.execute("SELECT vantage.drop_expired()")
