"""The private TimescaleDB: made, run, stopped, killed, found again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest

from collector import postmaster, up
from collector.console import Console
from collector.errors import CollectorError
from collector.local_db import LocalDatabase, major_of, running_database
from collector.postgres import Server
from collector.psql import psql_command
from collector.server_user import server_user
from tests.support.database import Database, running, temporary_home

SOCKET_FOLDERS = "SELECT ARRAY[current_setting('unix_socket_directories')]"

START = """
import sys, time
from pathlib import Path
from collector.local_db import LocalDatabase
from collector.postgres import Server
database = LocalDatabase(Path(sys.argv[1]), Server(Path(sys.argv[2]), int(sys.argv[3])))
database.initialise()
database.popen()
database.wait_ready()
database.create_database()
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def home() -> Iterator[Path]:
    with temporary_home() as folder:
        home = folder / "a home of Vantage's"
        home.mkdir()
        home.chmod(0o755)
        yield home


def value(url: str, statement: str) -> Any:
    with psycopg.connect(url) as connection:
        row = connection.execute(statement.encode()).fetchone()
        return row[0] if row else None


def test_it_runs_as_nobody_special_and_keeps_its_data(home: Path, private_server: Server) -> None:
    with running(home, private_server) as database:
        database.create_database()
        with psycopg.connect(database.url()) as connection:
            connection.execute("CREATE EXTENSION timescaledb")
            connection.execute("CREATE TABLE kept AS SELECT 'still here' AS words")
        pid = postmaster.find(database.data)
        assert pid is not None
        assert os.getpgid(pid) == pid, "Ctrl-C would reach it"
        assert Path(f"/proc/{pid}").stat().st_uid != 0
        assert value(database.url(), "SHOW listen_addresses") == ""
        assert value(database.url(), "SHOW jit") == "off"
        assert value(database.url(), "SHOW timescaledb.telemetry_level") == "off"
        assert value(database.url(), "SELECT lower('ÄÖ')") == "äö"
        assert value(database.url(), "SELECT timezone('Europe/Berlin', 'epoch'::timestamptz)::text")
    assert postmaster.find(database.data) is None
    with running(home, private_server) as database:
        database.create_database()
        assert value(database.url(), "SELECT words FROM kept") == "still here"


def test_a_running_one_is_found_by_its_home(home: Path, private_server: Server) -> None:
    assert running_database(home) is None
    with running(home, private_server) as database:
        found = running_database(home)
        assert found is not None
        assert (found.url(), found.server) == (database.url(), private_server)
    assert running_database(home) is None
    assert major_of(home) == private_server.major


def test_a_second_one_for_the_same_home_is_refused(home: Path, private_server: Server) -> None:
    with (
        running(home, private_server) as database,
        pytest.raises(CollectorError, match=r"is running in .* already"),
    ):
        LocalDatabase(home, private_server).initialise()
    assert not database.is_running()


def test_a_half_made_data_directory_is_made_anew(home: Path, private_server: Server) -> None:
    remains = home / "database/data.new"
    remains.mkdir(parents=True)
    (remains / "PG_VERSION").write_text("17\n")
    with running(home, private_server) as database:
        assert value(database.url(database="postgres"), "SELECT 1") == 1
    assert not remains.exists()


def test_a_strange_data_directory_is_left_alone(home: Path, private_server: Server) -> None:
    (home / "database/data").mkdir(parents=True)
    with pytest.raises(CollectorError, match="is not a PostgreSQL data directory"):
        LocalDatabase(home, private_server).initialise()


def test_data_of_another_version_is_left_alone(home: Path, private_server: Server) -> None:
    (home / "database/data").mkdir(parents=True)
    (home / "database/data/PG_VERSION").write_text("14\n")
    with pytest.raises(CollectorError, match="was made by PostgreSQL 14"):
        LocalDatabase(home, private_server).initialise()


def test_a_killed_server_starts_again_with_what_was_committed(
    home: Path, private_server: Server
) -> None:
    with running(home, private_server) as database:
        database.create_database()
        with psycopg.connect(database.url(), autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 'committed' AS words")
            pid = postmaster.find(database.data)
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        database.popen()
        database.wait_ready()
        assert value(database.url(), "SELECT words FROM kept") == "committed"


def test_a_killed_server_whose_children_do_not_notice_starts_again(
    home: Path, private_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postmaster, "REMAINS_S", 1.0)
    with running(home, private_server) as database:
        database.create_database()
        with psycopg.connect(database.url(), autocommit=True) as connection:
            os.kill(connection.info.backend_pid, signal.SIGSTOP)
            pid = postmaster.find(database.data)
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            database.popen()
            database.wait_ready()
        assert value(database.url(), "SELECT 1") == 1


def test_the_server_of_a_killed_vantage_is_taken_over(home: Path, private_server: Server) -> None:
    arguments = [str(home), str(private_server.bin), str(private_server.major)]
    command = [sys.executable, "-c", START, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "ready\n"
        killed.kill()
    orphan = running_database(home)
    assert orphan is not None
    with running(home, private_server) as database:
        assert value(database.url(), "SELECT 1") == 1
    assert not orphan.is_running()


@pytest.fixture
def stranger() -> Iterator[int]:
    """The id of a living process of the server's user that is no PostgreSQL."""
    with subprocess.Popen(["sleep", "600"], **server_user().identity) as process:
        yield process.pid
        process.kill()


@pytest.mark.parametrize("file", ["data/postmaster.pid", "socket/.s.PGSQL.5432.lock"])
def test_a_stale_process_id_of_somebody_else_does_not_matter(
    home: Path, private_server: Server, stranger: int, file: str
) -> None:
    with running(home, private_server) as database:
        words = (database.data / "postmaster.pid").read_text().splitlines()
    user, path = server_user(), database.folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([str(stranger), *words[1:]]))
    user.own(path.parent, 0o700)
    user.own(path, 0o600)
    assert running_database(home) is None
    with running(home, private_server) as database:
        assert value(database.url(database="postgres"), "SELECT 1") == 1
    os.kill(stranger, 0)


def test_a_home_too_deep_for_a_socket_gets_one_elsewhere(
    home: Path, private_server: Server
) -> None:
    deep = home / ("deep" * 20)
    deep.mkdir()
    deep.chmod(0o755)
    with running(deep, private_server) as database:
        assert value(database.url(database="postgres"), "SELECT 1") == 1
        assert str(home) not in database.url()
        [folder] = value(database.url(database="postgres"), SOCKET_FOLDERS)
        assert Path(folder.strip('"')).stat().st_mode & 0o777 == 0o700
    assert not Path(folder.strip('"')).exists()


def test_a_server_that_cannot_start_says_why(home: Path, private_server: Server) -> None:
    database = LocalDatabase(home, private_server, settings={"shared_buffers": "nonsense"})
    database.initialise()
    database.popen()
    with pytest.raises(
        CollectorError,
        match=r"does not start: configuration file .* contains errors. Its log is .*/log",
    ):
        database.wait_ready()
    assert "shared_buffers" in database.log.read_text()
    database.stop()


async def test_one_that_cannot_start_for_a_while_is_tried_again(
    home: Path, private_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up, "RETRY_S", 0.1)
    database = LocalDatabase(home, private_server)
    database.initialise()
    in_its_way = home / "database/postgresql.conf"
    in_its_way.mkdir()
    said = StringIO()
    keeper = asyncio.create_task(up.keep_running(database, Console(said)))
    async with asyncio.timeout(60):
        while "It is tried again" not in said.getvalue():
            await asyncio.sleep(0.05)
        in_its_way.rmdir()
        while not postmaster.is_ready(database.data):
            await asyncio.sleep(0.05)
    keeper.cancel()
    database.stop()


def test_a_home_that_cannot_be_written_is_named(home: Path, private_server: Server) -> None:
    (home / "file").touch()
    with pytest.raises(CollectorError, match=r"Cannot keep a database in .*/file/database"):
        LocalDatabase(home / "file", private_server).initialise()


def test_a_home_closed_to_the_servers_user(home: Path, private_server: Server) -> None:
    home.chmod(0o700)
    database = LocalDatabase(home, private_server)
    if os.geteuid() == 0:
        with pytest.raises(CollectorError, match=r"may not enter .*: name another"):
            database.initialise()
    else:
        database.initialise()  # the server's user is the caller
    database.stop()


@pytest.mark.parametrize("role", ["vantage", "vantage_reader"])
def test_psql_reads_and_does_not_write(
    database: Database, private_server: Server, role: str
) -> None:
    def psql(*statements: str) -> subprocess.CompletedProcess[str]:
        url = database.url(role=role)
        command = psql_command(url, server=private_server, statements=statements)
        return subprocess.run(
            command.argv, env=command.environment, capture_output=True, text=True, check=False
        )

    read = psql("SELECT count(*), current_user FROM vantage.results", "SELECT 'the second'")
    assert read.returncode == 0, read.stderr
    assert "vantage_reader" in read.stdout
    assert "the second" in read.stdout
    assert "permission denied" in psql("DELETE FROM vantage.accounts").stderr
    assert "permission denied" in psql("SELECT password_hash FROM vantage.users").stderr


def test_psql_never_shows_a_password_to_other_users(private_server: Server) -> None:
    command = psql_command("postgresql://sre:s3cret@db.example/vantage", server=private_server)
    assert "s3cret" not in " ".join(command.argv)
    assert command.environment["PGPASSWORD"] == "s3cret"
