"""A real TimescaleDB for the tests: one server a run, one migrated database a test.

All processes of a run share the server and the template that databases are made after. It is the
private server of ``vantage up``, or, where VANTAGE_TEST_DATABASE_URL names a superuser on another
TimescaleDB, that one. There is no way to do without: no server, no green test.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from collector.local_db import SUPERUSER, LocalDatabase, Settings
from collector.migrate import migrate
from collector.postgres import Server
from collector.private_server import default_cache, ensure_server
from collector.progress import silent
from tests.support.sharing import run_folder, shared

ROLES = ("vantage_collector", "vantage_dashboard", "vantage_reader")
# What tests do without: that a power cut loses nothing. A killed server loses nothing all the same.
# Processes that share the server need more connections than an installation does.
FAST: Settings = {"fsync": "off", "full_page_writes": "off", "max_connections": 300}
# Making and dropping a database is making and removing 700 files: a fifth of the time in memory.
MEMORY = Path("/dev/shm")
ROOM_BYTES = 4 * 1024**3


@dataclass(frozen=True)
class Database:
    """A database with the current schema and no rows, which only one test sees."""

    server_url: str
    name: str

    def url(self, *, role: str = SUPERUSER) -> str:
        user = {} if role == SUPERUSER else {"user": role}
        return _url(self.server_url, dbname=self.name, **user)


@dataclass(frozen=True)
class Databases:
    """A server with a migrated template, and databases made after it."""

    server_url: str
    template: str
    numbers: Iterator[int]

    def make_template(self) -> None:
        self._execute(f"CREATE DATABASE {self.template}")
        migrate(_url(self.server_url, dbname=self.template))
        self.close(self.template)
        if password := conninfo_to_dict(self.server_url).get("password"):
            for role in ROLES:
                self._execute(f"ALTER ROLE {role} PASSWORD '{password}'")

    def drop_template(self) -> None:
        self._execute(f"DROP DATABASE {self.template} WITH (FORCE)")

    def close(self, name: str) -> None:
        """Let nobody connect to a database, so that it can be copied."""
        # TimescaleDB's workers of the full edition connect to every database that lets them.
        self._execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        self._execute(
            f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"
        )

    @contextmanager
    def empty(self) -> Iterator[Database]:
        """A database without a schema."""
        with self._database("") as database:
            yield database

    @contextmanager
    def migrated(self) -> Iterator[Database]:
        """A database with the current schema and no rows."""
        with self.copied(self.template) as database:
            yield database

    @contextmanager
    def copied(self, name: str) -> Iterator[Database]:
        """A database like another, which must be closed."""
        # Copying files is three times as fast as logging every page.
        with self._database(f"TEMPLATE {name} STRATEGY file_copy") as database:
            yield database

    @contextmanager
    def _database(self, how: str) -> Iterator[Database]:
        name = f"vantage_test_{os.getpid()}_{next(self.numbers)}"
        self._execute(f"CREATE DATABASE {name} {how}")
        try:
            yield Database(self.server_url, name)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.server_url, autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def temporary_home(*, on_disk: bool = False) -> Iterator[Path]:
    """A home that the server's user may enter, unlike pytest's own directories."""
    is_roomy = not on_disk and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_BYTES
    home = Path(tempfile.mkdtemp(prefix="vantage-test-", dir=MEMORY if is_roomy else None))
    home.chmod(0o755)
    try:
        yield home
    finally:
        shutil.rmtree(home)


@contextmanager
def running(home: Path, server: Server, settings: Settings = FAST) -> Iterator[LocalDatabase]:
    """The private server, started for a home and stopped again."""
    database = LocalDatabase(home, server, settings=settings)
    database.initialise()
    try:
        database.popen()
        database.wait_ready()
        yield database
    finally:
        database.stop()


def fetched_server() -> Server:
    """Return the programs of the private server; the first run fetches them into the cache."""
    return ensure_server(
        cache=default_cache(), progress=silent, mirror=os.environ.get("VANTAGE_MIRROR")
    )


@pytest.fixture(scope="session")
def private_server() -> Server:
    return fetched_server()


@pytest.fixture(scope="session")
def databases(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Databases]:
    """The server that all tests share, in whichever process of the run they are."""

    @contextmanager
    def made() -> Iterator[str]:
        if url := os.environ.get("VANTAGE_TEST_DATABASE_URL"):
            with _with_template(url) as template:
                yield f"{template} {url}"
            return
        with (
            temporary_home() as home,
            running(home, request.getfixturevalue("private_server")) as local,
            _with_template(url := local.url(database="postgres")) as template,
        ):
            yield f"{template} {url}"

    with shared(run_folder(tmp_path_factory), "databases", made) as said:
        template, _, server_url = said.partition(" ")
        yield Databases(server_url, template, count(1))


@contextmanager
def _with_template(server_url: str) -> Iterator[str]:
    databases = Databases(server_url, f"vantage_template_{os.getpid()}", count(1))
    databases.make_template()
    try:
        yield databases.template
    finally:
        databases.drop_template()


@pytest.fixture
def database(databases: Databases) -> Iterator[Database]:
    """A migrated database of the test's own."""
    with databases.migrated() as database:
        yield database


@pytest.fixture
def empty_database(databases: Databases) -> Iterator[Database]:
    """A database of the test's own, before any migration."""
    with databases.empty() as database:
        yield database


def _url(server_url: str, *, dbname: str, **changes: str) -> str:
    """Return a URL like the server's, with another database and other fields."""
    fields = {**conninfo_to_dict(server_url), **changes}
    fields.pop("dbname", None)
    return f"postgresql:///{dbname}?{urlencode(fields, quote_via=quote)}"


if __name__ == "__main__" and "VANTAGE_TEST_DATABASE_URL" not in os.environ:
    fetched_server()
