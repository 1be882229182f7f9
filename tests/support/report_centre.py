"""The report centre as a real process, over a database with something to show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from tests.support import seed
from tests.support.database import Database, Databases
from tests.support.processes import Program, answers, free_port, running


class Centre:
    """A running report centre and the database behind it."""

    def __init__(self, database: Database, port: int, program: Program) -> None:
        self.database = database
        self.port = port
        self.program = program
        self.seeded_at = datetime.now(UTC)

    def catch_up(self) -> None:
        """Add the results that have fallen due meanwhile, or the newest would grow stale."""
        now = datetime.now(UTC)
        seed.extend(self.database.url(), since=self.seeded_at, now=now)
        self.seeded_at = now

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def execute(self, statement: str, **values: object) -> list[tuple[object, ...]]:
        """Run SQL as the superuser, committed."""
        with psycopg.connect(self.database.url(), autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def monitor(self, name: str) -> int:
        ((monitor_id,),) = self.execute(
            "SELECT id FROM vantage.monitors WHERE name = %(name)s", name=name
        )
        assert isinstance(monitor_id, int)
        return monitor_id

    def new_result(self, name: str, location: str, total_us: int) -> None:
        """A result of this moment, stored and announced as a collector does it."""
        with psycopg.connect(self.database.url()) as connection:
            connection.execute(
                """
                INSERT INTO vantage.results (
                    slot_at, started_at, received_at, body_bytes, monitor_id, total_us, redirect_us,
                    dns_us, connect_us, send_us, wait_us, receive_us, delay_us, lag_us,
                    header_bytes, target_port, outcome, agent_id, http_status, redirects, suspect,
                    location, http_version)
                SELECT
                    now(), now(), now(), 100, %(monitor_id)s, %(total_us)s, 0,
                    1000, 2000, 100, %(total_us)s - 4100, 1000, 0, 0,
                    120, 443, 'up', md5('agent')::uuid, 200, 0, false, %(location)s, '1.1'
                """,
                {
                    "monitor_id": self.monitor(name),
                    "location": location,
                    "total_us": total_us,
                },
            )
            connection.execute("SELECT pg_notify('vantage_results', %s)", [str(self.monitor(name))])


@contextmanager
def centre(
    databases: Databases, home: Path, *arguments: str, length: timedelta, port: int | None = None
) -> Iterator[Centre]:
    """A report centre over a fresh database with results of the last ``length``."""
    with databases.migrated() as database:
        now = datetime.now(UTC)
        seed.seed(database.url(), now=now, length=length)
        with serving(database, home, *arguments, port=port) as started:
            started.seeded_at = now
            yield started


@contextmanager
def serving(
    database: Database, home: Path, *arguments: str, port: int | None = None
) -> Iterator[Centre]:
    port = port or free_port()
    program = Program(
        "dashboard",
        [
            "serve",
            f"--database={database.url(role='vantage_dashboard')}",
            f"--port={port}",
            f"--secret-file={home / 'secret'}",
            *arguments,
        ],
        home / "dashboard.log",
    )
    with running(program, ready=lambda: answers(port), what="the report centre"):
        yield Centre(database, port, program)
