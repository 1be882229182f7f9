"""Brings a database's schema up to this program's.

``sql/migrations`` run once each, in the order of their names, and a ledger remembers them;
``sql/views`` are run again every time. After a migration called ``pre`` the programs of the version
before go on; one called ``post`` takes away what only they use. A migration is one transaction
together with its ledger row, unless its first line is ``-- no-transaction``: such a file holds a
single statement that may be repeated, because it can be cut off before the ledger knows.

Who waits for a lock on a table holds up all who come after. So a migration waits for two seconds at
most, then lets them pass and begins again.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors

from collector.db import SQL, UNDEFINED, UNREADABLE, first_line, session
from collector.errors import CollectorError
from collector.postgres import OLDEST_POSTGRES, OLDEST_TIMESCALEDB
from collector.progress import Progress, silent

Connection = psycopg.Connection[tuple[Any, ...]]

NO_TRANSACTION = "-- no-transaction"
POST = "_post_"
LOCK = 0x76616E74616765  # "vantage"; any constant of our own
LOCK_POLL_S = 0.2
LOCK_TIMEOUT = "2s"  # collectors that store are held up no longer by one that waits
LOCK_PAUSE_S = 1.0
LOCK_ATTEMPTS = 100

LEDGER = """
CREATE SCHEMA IF NOT EXISTS vantage;
CREATE TABLE IF NOT EXISTS vantage.migrations (
    name text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE vantage.migrations IS 'Which files of collector/sql/migrations were applied.';
COMMENT ON COLUMN vantage.migrations.name IS 'File name.';
COMMENT ON COLUMN vantage.migrations.sha256 IS 'Of the file as applied, hexadecimal.';
COMMENT ON COLUMN vantage.migrations.applied_at IS 'When it was applied.';
"""


@dataclass(frozen=True, slots=True)
class Script:
    """One file of SQL."""

    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def follows_programs(self) -> bool:
        return POST in self.name

    @property
    def is_transactional(self) -> bool:
        return not self.text.startswith(NO_TRANSACTION)


def migrate(
    url: str, progress: Progress = silent, *, scripts: Path = SQL, before_restart: bool = False
) -> list[str]:
    """Apply what the database lacks, then the views; return the names of the migrations applied.

    ``before_restart``: but for those that follow the programs. Safe to repeat, and for several
    deployers at once.
    Raises: CollectorError.
    """
    with connected(url) as connection:
        # A role called vantage would otherwise create the extension in the schema of its name.
        connection.execute("SET search_path = public")
        must_be_installed(connection)
        _lock(connection, progress)
        connection.execute(LEDGER)
        pending = [
            script
            for script in _pending(connection, _scripts(scripts / "migrations"))
            if not (before_restart and script.follows_programs)
        ]
        for script in pending:
            progress(f"Applying {script.name}")
            _apply(connection, script, progress)
        progress("Renewing the views")
        _renew(connection, _scripts(scripts / "views"), progress)
    return [script.name for script in pending]


@contextmanager
def migrated(url: str) -> Iterator[None]:
    """Hold a program's work against the schema: first, and once a statement names what is gone.

    Raises: CollectorError as ``must_be_migrated`` does.
    """
    must_be_migrated(url)
    try:
        yield
    except BaseExceptionGroup as raised:
        if raised.subgroup(UNDEFINED):
            must_be_migrated(url)
        raise


def must_be_migrated(url: str, *, scripts: Path = SQL) -> None:
    """See that the schema has all that this program's statements name.

    What a newer version has added is no hindrance, what it has taken away is.
    Raises: CollectorError.
    """
    with session(url) as connection:
        found = connection.execute("SELECT name FROM vantage.migrations").fetchall()
    applied = {row["name"] for row in found}
    known = _scripts(scripts / "migrations")
    unknown = applied - {script.name for script in known}
    if taken_away := sorted(name for name in unknown if POST in name):
        raise _too_new(taken_away[-1])
    missing = [
        script.name
        for script in known
        if script.name not in applied and not script.follows_programs
    ]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise CollectorError(
            f"The database's schema is older than this program: it lacks {missing[0]}{more}."
            " Bring it up to date with: vantage-collector migrate"
        )


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection of its owner. Raises: CollectorError for what the server refuses."""
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=10)
    except psycopg.ProgrammingError as error:
        # libpq's own message repeats the text, and with it a password.
        raise CollectorError(UNREADABLE) from error
    except psycopg.OperationalError as error:
        raise CollectorError(
            f"The database does not let us in: {first_line(error)}. Check the URL's host, port,"
            " user and password."
        ) from error
    try:
        with connection:
            yield connection
    except errors.InsufficientPrivilege as error:
        raise CollectorError(
            f"The database refuses this: {first_line(error)}. Migrate as a superuser, or as an"
            " owner of the database who may create roles."
        ) from error
    except psycopg.OperationalError as error:
        raise CollectorError(f"The database went away: {first_line(error)}.") from error


def must_be_installed(connection: Connection) -> None:
    """Raises: CollectorError unless the server has what Vantage needs."""
    row = connection.execute(
        "SELECT COALESCE(installed_version, default_version) FROM pg_available_extensions"
        " WHERE name = 'timescaledb'"
    ).fetchone()
    must_suit(connection.info.server_version // 10_000, row[0] if row else None)


def must_suit(postgres: int, timescaledb: str | None) -> None:
    """Raises: CollectorError unless both are new enough. ``timescaledb``: None: not installed."""
    if postgres < OLDEST_POSTGRES:
        raise CollectorError(
            f"The database server is PostgreSQL {postgres}: {OLDEST_POSTGRES} or newer is needed."
        )
    needed = ".".join(map(str, OLDEST_TIMESCALEDB))
    if timescaledb is None:
        raise CollectorError(
            "The database server has no timescaledb extension: install TimescaleDB"
            f" {needed} or newer there, or name another database."
        )
    if tuple(map(int, re.findall(r"\d+", timescaledb)[:2])) < OLDEST_TIMESCALEDB:
        raise CollectorError(
            f"The database server's timescaledb is {timescaledb}: {needed} or newer is needed."
        )


def _lock(connection: Connection, progress: Progress) -> None:
    """Let one deployer at a time migrate, until the connection ends.

    Asked again and again: a statement that waited would hold a snapshot, and CREATE INDEX
    CONCURRENTLY in the other deployer would wait for it for ever.
    """
    is_told = False
    while connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchone() != (True,):
        if not is_told:
            progress("Waiting for another migration of this database")
            is_told = True
        time.sleep(LOCK_POLL_S)


def _pending(connection: Connection, scripts: Sequence[Script]) -> list[Script]:
    """Return what the ledger lacks. Raises: CollectorError when it contradicts the files."""
    applied: dict[str, str] = dict(
        connection.execute("SELECT name, sha256 FROM vantage.migrations").fetchall()
    )
    known = {script.name: script for script in scripts}
    if unknown := sorted(applied.keys() - known.keys()):
        raise _too_new(unknown[-1])
    for name, sha256 in applied.items():
        if known[name].sha256 != sha256:
            raise CollectorError(
                f"The migration {name} was changed after it was applied to this database: put the"
                " file back as it was, and write the change as a new migration."
            )
    return [script for script in scripts if script.name not in applied]


def _too_new(name: str) -> CollectorError:
    return CollectorError(
        f"The database's schema is newer than this program, which does not know {name}: upgrade"
        " this program."
    )


def _apply(connection: Connection, script: Script, progress: Progress) -> None:
    def work() -> None:
        _run(connection, script)
        _record(connection, script)

    if script.is_transactional:
        _patiently(connection, script.name, work, progress)
    else:
        work()


def _renew(connection: Connection, views: Sequence[Script], progress: Progress) -> None:
    def work() -> None:
        for view in views:
            _run(connection, view)

    _patiently(connection, "sql/views", work, progress)


def _patiently(
    connection: Connection, name: str, work: Callable[[], None], progress: Progress
) -> None:
    """Do work in one transaction, again and again until it gets its locks."""
    for attempt in count(1):
        try:
            with connection.transaction():
                connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'".encode())
                work()
            return
        except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
            if attempt >= LOCK_ATTEMPTS:
                raise CollectorError(
                    f"{name} did not get a lock in {attempt} attempts: {first_line(error)}. Other"
                    " work on the database holds it; pg_stat_activity shows which. Try again when"
                    " that has ended."
                ) from error
            progress(f"Waiting for a lock that {name} needs")
            time.sleep(LOCK_PAUSE_S)


def _record(connection: Connection, script: Script) -> None:
    connection.execute(
        "INSERT INTO vantage.migrations (name, sha256) VALUES (%s, %s)",
        [script.name, script.sha256],
    )


def _run(connection: Connection, script: Script) -> None:
    try:
        connection.execute(script.text.encode())  # as it stands: % and $$ mean nothing here
    except (errors.InsufficientPrivilege, psycopg.OperationalError):
        raise
    except psycopg.Error as error:
        raise CollectorError(
            f"{script.name} fails on this database: {first_line(error)}."
        ) from error


def _scripts(folder: Path) -> list[Script]:
    return [Script(path.name, path.read_text()) for path in sorted(folder.glob("*.sql"))]
