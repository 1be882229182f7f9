"""Migrations: once each, whole or not at all, by one deployer at a time."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from collector.cli import main
from collector.db import SQL
from collector.errors import CollectorError
from collector.migrate import migrate, must_be_migrated
from tests.support.database import Database


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A copy of the project's own files, to be added to."""
    return Path(shutil.copytree(SQL, tmp_path / "sql"))


def rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.url()) as connection:
        return connection.execute(statement.encode()).fetchall()


def test_a_fresh_database_gets_everything_once(empty_database: Database) -> None:
    steps: list[str] = []
    applied = migrate(
        empty_database.url(), lambda step, done=0, total=0: steps.append(step), scripts=SQL
    )
    assert applied == sorted(path.name for path in (SQL / "migrations").glob("*.sql"))
    assert steps == [*(f"Applying {name}" for name in applied), "Renewing the views"]
    assert migrate(empty_database.url()) == []
    assert rows(empty_database, "SELECT count(*) FROM report.results") == [(0,)]


def test_a_new_file_is_applied_and_remembered(database: Database, scripts: Path) -> None:
    text = "CREATE TABLE vantage.extra (percent text DEFAULT '100 % of $$');\nSELECT 1;\n"
    (scripts / "migrations/9000_pre_create_extra.sql").write_text(text)
    assert migrate(database.url(), scripts=scripts) == ["9000_pre_create_extra.sql"]
    assert migrate(database.url(), scripts=scripts) == []
    with pytest.raises(CollectorError, match=r"newer than this program.*9000_pre_create_extra"):
        migrate(database.url())


def test_a_failing_file_leaves_no_trace(database: Database, scripts: Path) -> None:
    text = "CREATE TABLE vantage.extra ();\nSELECT 1 / 0;\n"
    (scripts / "migrations/9000_pre_fail.sql").write_text(text)
    with pytest.raises(CollectorError, match=r"9000_pre_fail\.sql fails .*division by zero"):
        migrate(database.url(), scripts=scripts)
    assert rows(database, "SELECT to_regclass('vantage.extra')") == [(None,)]
    assert migrate(database.url()) == []


def test_a_changed_file_stops_the_deploy(database: Database, scripts: Path) -> None:
    path = next((scripts / "migrations").glob("0001_*.sql"))
    path.write_text(path.read_text() + "-- an afterthought\n")
    with pytest.raises(CollectorError, match=f"{path.name} was changed after it was applied"):
        migrate(database.url(), scripts=scripts)


def test_what_no_transaction_may_hold_runs_outside_of_one(
    database: Database, scripts: Path
) -> None:
    statement = "CREATE INDEX CONCURRENTLY extra ON vantage.accounts (created_at);\n"
    path = scripts / "migrations/9000_post_index.sql"
    path.write_text(statement)
    with pytest.raises(CollectorError, match="cannot run inside a transaction block"):
        migrate(database.url(), scripts=scripts)
    path.write_text(f"-- no-transaction\n{statement}")
    assert migrate(database.url(), scripts=scripts) == [path.name]


def test_deployers_do_not_race(empty_database: Database, scripts: Path) -> None:
    slow = "SELECT pg_sleep(0.3);\nCREATE TABLE vantage.extra ();\n"
    (scripts / "migrations/9000_pre_slow.sql").write_text(slow)
    with ThreadPoolExecutor(4) as deployers:
        applied = list(
            deployers.map(lambda _: migrate(empty_database.url(), scripts=scripts), range(4))
        )
    assert sorted(map(len, applied)) == [0, 0, 0, len(list((scripts / "migrations").iterdir()))]


@pytest.mark.parametrize("program", ["serve", "notify"])
def test_a_program_ends_at_once_where_there_is_no_schema(
    empty_database: Database, tmp_path: Path, program: str
) -> None:
    options = [f"--database={empty_database.url()}", f"--secret-key-file={tmp_path / 'key'}"]
    if program == "serve":
        options.append(f"--authority={tmp_path / 'authority'}")
    ended = CliRunner().invoke(main, [program, *options])
    assert ended.exit_code == 1
    assert ended.output.strip() == (
        "Error: The database holds no Vantage schema yet. Make it with: vantage-collector migrate"
    )


def test_a_program_ends_where_the_schema_is_older_but_for_what_follows_it(
    database: Database, scripts: Path
) -> None:
    must_be_migrated(database.url(role="vantage_collector"))
    (scripts / "migrations/9000_post_drop_extra.sql").write_text("SELECT 1")
    must_be_migrated(database.url(), scripts=scripts)
    (scripts / "migrations/9001_pre_create_extra.sql").write_text("SELECT 1")
    (scripts / "migrations/9002_pre_create_more.sql").write_text("SELECT 1")
    with pytest.raises(CollectorError, match=r"lacks 9001_pre_create_extra\.sql and 1 more\. Bri"):
        must_be_migrated(database.url(), scripts=scripts)


def test_what_running_programs_use_stays_until_they_are_restarted(
    database: Database, scripts: Path
) -> None:
    url = database.url()
    post, pre = "9000_post_drop_extra.sql", "9001_pre_create_extra.sql"
    (scripts / "migrations" / post).write_text("SELECT 1")
    (scripts / "migrations" / pre).write_text("SELECT 1")
    assert migrate(url, scripts=scripts, before_restart=True) == [pre]
    assert migrate(url, scripts=scripts, before_restart=True) == []
    must_be_migrated(url, scripts=scripts)
    assert migrate(url, scripts=scripts) == [post]


def test_a_role_without_rights_is_told_so(empty_database: Database, database: Database) -> None:
    with pytest.raises(CollectorError, match=r"permission denied.*Migrate as a superuser"):
        migrate(empty_database.url(role="vantage_dashboard"))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgresql://127.0.0.1:1/vantage", "does not let us in: .*refused.*Check the URL"),
        ("postgresql://nowhere.invalid/vantage", "does not let us in"),
        ("postgres//user:s3cret@host/vantage", "^The database's URL cannot be read"),
    ],
)
def test_a_database_that_cannot_be_reached(url: str, sentence: str) -> None:
    with pytest.raises(CollectorError, match=sentence) as caught:
        migrate(url)
    assert "s3cret" not in str(caught.value)


def test_an_unknown_role_is_named(empty_database: Database) -> None:
    with pytest.raises(CollectorError, match="nobody_here"):
        migrate(empty_database.url(role="nobody_here"))
