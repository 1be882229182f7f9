"""Setting up a database whose owner is no superuser, as on a managed server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from collector.local_db import LocalDatabase
from collector.operator.main import main
from collector.postgres import Server
from tests.support.database import FAST, running, temporary_home

ROLES = ("collector", "dashboard", "reader")


@pytest.fixture(scope="module")
def managed(private_server: Server) -> Iterator[LocalDatabase]:
    """A server with a landlord, who may create roles, and a lodger, who may not."""
    with temporary_home() as home, running(home, private_server) as server:
        with psycopg.connect(server.url(database="postgres"), autocommit=True) as connection:
            for statement in (
                "CREATE ROLE landlord LOGIN CREATEROLE",
                "CREATE ROLE lodger LOGIN",
                "CREATE DATABASE house OWNER landlord",
                "CREATE DATABASE room OWNER lodger",
            ):
                connection.execute(statement.encode())
        yield server


def init(url: str, *options: str) -> Result:
    result = CliRunner().invoke(main, ["db", "init", f"--database={url}", *options])
    assert "Traceback" not in result.output
    return result


def test_an_owner_who_is_no_superuser_sets_everything_up(
    managed: LocalDatabase, tmp_path: Path
) -> None:
    options = []
    for role in ROLES:
        file = tmp_path / role
        file.write_text(f"secret of {role}")
        options.append(f"--{role}-password-file={file}")
    url = managed.url(role="landlord", database="house")
    for _ in range(2):
        result = init(url, *options)
        assert (result.exit_code, "ready" in result.output) == (0, True), result.output
    with psycopg.connect(managed.url(database="house")) as connection:
        verifiers = connection.execute(
            "SELECT count(*) FROM pg_authid WHERE rolname LIKE 'vantage\\_%'"
            " AND rolpassword LIKE 'SCRAM-SHA-256$%'"
        ).fetchone()
    assert verifiers == (3,)
    with psycopg.connect(managed.url(role="vantage_dashboard", database="house")) as connection:
        assert connection.execute("SELECT count(*) FROM report.results").fetchone() == (0,)


@pytest.mark.parametrize(
    ("role", "database", "sentence"),
    [
        ("lodger", "room", 'lodger may not create roles, .*: ALTER ROLE "lodger" CREATEROLE'),
        ("lodger", "house", "lodger does not own the database house"),
        ("landlord", "room", "landlord does not own the database room"),
    ],
)
def test_what_is_not_allowed_is_named_before_anything_is_made(
    managed: LocalDatabase, role: str, database: str, sentence: str
) -> None:
    result = init(managed.url(role=role, database=database))
    assert result.exit_code == 1
    assert re.search(sentence, result.output), result.output
    with psycopg.connect(managed.url(database="room")) as connection:
        made = connection.execute("SELECT FROM pg_namespace WHERE nspname = 'vantage'").fetchall()
    assert made == []


def test_a_server_that_does_not_load_the_extension(private_server: Server) -> None:
    with temporary_home() as home:
        server = LocalDatabase(
            home, private_server, settings={**FAST, "shared_preload_libraries": ""}
        )
        server.initialise()
        try:
            server.popen()
            server.wait_ready()
            result = init(server.url(database="postgres"))
        finally:
            server.stop()
    assert result.exit_code == 1
    assert "add it to shared_preload_libraries" in result.output
