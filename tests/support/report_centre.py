"""The report centre as a real process, over a database with something to show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from tests.support import seed
from tests.support.database import Database, Databases
from tests.support.processes import Program, answers, free_port, running
from tests.support.sharing import shared

# As late as a real agent's results may be.
LATE = timedelta(seconds=5)


class Centre:
    """A running report centre and the database behind it."""

    def __init__(self, database: Database, port: int, program: Program, home: Path) -> None:
        self.home = home
        self.database = database
        self.port = port
        self.program = program
        self.seeded_at = datetime.now(UTC)

    def catch_up(self) -> None:
        """Add the results that have fallen due meanwhile, or the newest would grow stale."""
        now = datetime.now(UTC)
        if now - self.seeded_at < LATE:
            return
        seed.extend(self.database.url(), since=self.seeded_at, now=now)
        self.seeded_at = now

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def execute(self, statement: str, **values: object) -> list[tuple[Any, ...]]:
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
                WITH stored AS (INSERT INTO vantage.results (
                    slot_at, started_at, received_at, body_bytes, monitor_id, total_us, redirect_us,
                    dns_us, connect_us, send_us, wait_us, receive_us, delay_us, lag_us,
                    header_bytes, target_port, outcome, agent_id, http_status, redirects, suspect,
                    location, http_version)
                SELECT
                    now(), now(), now(), 100, %(monitor_id)s, %(total_us)s, 0,
                    1000, 2000, 100, %(total_us)s - 4100, 1000, 0, 0,
                    120, 443, 'up', md5('agent')::uuid, 200, 0, false, %(location)s, '1.1'
                RETURNING *)
                INSERT INTO vantage.ingested (received_from_at, received_to_at, from_slot_at,
                    to_slot_at, agent_id, results, location)
                SELECT received_at, received_at, slot_at, slot_at, agent_id, 1, location
                FROM stored
                """,
                {
                    "monitor_id": self.monitor(name),
                    "location": location,
                    "total_us": total_us,
                },
            )
            connection.execute("SELECT pg_notify('vantage_results', %s)", [str(self.monitor(name))])

    def new_incident(self, name: str, *locations: str, is_open: bool) -> int:
        """An outage of half an hour, from so many locations, as a collector writes it down."""
        ended = "NULL" if is_open else "now() - INTERVAL '1 hour'"
        ((incident_id,),) = self.execute(
            f"""
            WITH incident AS (
                INSERT INTO vantage.incidents (account_id, monitor_id, severity, began_at,
                    opened_at, recovered_at, closed_at, cause, summary)
                SELECT account_id, id, 'down', now() - INTERVAL '90 min 8 s',
                    now() - INTERVAL '90 min', {ended}, {ended}, 'connect_refused',
                    'Connection refused from 2 of 5 locations.'
                FROM vantage.monitors WHERE name = %(name)s
                RETURNING id, monitor_id, began_at
            ),
            evidence AS (
                INSERT INTO vantage.incident_evidence (incident_id, location, which, slot_at,
                    total_us, failure, failed_phase, target_ip, detail)
                SELECT incident.id, location, which, began_at + later, 1200, 'connect_refused',
                    'connect', '203.0.113.7', 'Connection refused by 203.0.113.7 port 443'
                FROM incident
                CROSS JOIN unnest(%(locations)s::text[]) AS location
                CROSS JOIN (VALUES ('first', INTERVAL '0'), ('last', INTERVAL '28 min'))
                    AS seen (which, later)
            ),
            well AS (
                INSERT INTO vantage.incident_evidence
                    (incident_id, location, which, slot_at, total_us, http_status)
                SELECT incident.id, location, 'well', began_at + INTERVAL '29 min', 81200, 200
                FROM incident
                CROSS JOIN unnest(%(locations)s::text[]) AS location
                WHERE NOT %(is_open)s
            ),
            events AS (
                INSERT INTO vantage.incident_events (incident_id, at, kind, detail)
                SELECT incident.id, began_at + later, kind, detail
                FROM incident
                CROSS JOIN (VALUES
                    (1, 'opened', INTERVAL '8 s', 'Connection refused from 2 of 5 locations.'),
                    (2, 'recovered', INTERVAL '29 min', NULL),
                    (3, 'closed', INTERVAL '31 min', NULL)
                ) AS happened (place, kind, later, detail)
                WHERE kind = 'opened' OR NOT %(is_open)s
                ORDER BY place
            )
            SELECT id FROM incident
            """,
            name=name,
            locations=list(locations),
            is_open=is_open,
        )
        assert isinstance(incident_id, int)
        return incident_id

    def new_status_page(self, *names: str) -> str:
        """Make a status page of these monitors; return what its address ends in."""
        self.execute(
            """
            WITH page AS (
                INSERT INTO vantage.status_pages (account_id, slug, title)
                SELECT account_id, 'shop', 'Example Shop'
                FROM vantage.monitors WHERE name = ANY (%(names)s) LIMIT 1
                ON CONFLICT DO NOTHING RETURNING id
            )
            INSERT INTO vantage.status_page_monitors (page_id, monitor_id)
            SELECT page.id, monitors.id
            FROM page CROSS JOIN vantage.monitors WHERE name = ANY (%(names)s)
            """,
            names=list(names),
        )
        return "shop"

    def new_page_result(self, name: str, location: str) -> None:
        """A whole page of this moment: 16 resources, one of which failed.

        It takes the place of the last minutes' results, or a chart would show the median of both.
        """
        self.execute(
            """
            DELETE FROM vantage.results
            WHERE monitor_id = %(monitor_id)s
                AND location = %(location)s
                AND slot_at > now() - INTERVAL '3 minutes'
            """,
            monitor_id=self.monitor(name),
            location=location,
        )
        self.execute(
            """
            WITH page AS (
                INSERT INTO vantage.results (
                    slot_at, started_at, body_bytes, monitor_id, total_us, redirect_us,
                    dns_us, connect_us, tls_us, send_us, wait_us, receive_us, resources_us,
                    delay_us, lag_us, header_bytes, target_port, outcome, failure, detail, agent_id,
                    http_status, redirects, suspect, location, http_version)
                VALUES (
                    now(), now(), 21930, %(monitor_id)s, 812400, 0,
                    3000, 9000, 20000, 400, 80000, 20000, 680000,
                    0, 0, 412, 443, 'degraded', 'resource_failed', '1 of 16 resources failed',
                    md5('agent')::uuid, 200, 0, false, %(location)s, '2')
                RETURNING slot_at, monitor_id, location
            )
            INSERT INTO vantage.exchanges (
                slot_at, monitor_id, location, role, hop, resource, url, http_status, http_version,
                body_bytes, header_bytes, target_port, start_us, total_us, dns_us, connect_us,
                tls_us, send_us, wait_us, receive_us, outcome, failure, detail)
            SELECT
                slot_at, monitor_id, location, 'resource', n,
                (ARRAY['stylesheet', 'script', 'image', 'font'])[1 + n %% 4],
                'https://' || CASE WHEN n %% 5 = 0 THEN 'cdn' ELSE 'www' END
                    || '.example.com/assets/2026/11/' || md5(n::text) || '/part-' || n || '.webp',
                CASE n WHEN 9 THEN 404 ELSE 200 END, '2', 1000 * n * n, 300, 443,
                135000 + 9000 * n, 63000 + 30000 * n,
                CASE n %% 5 WHEN 0 THEN 3000 END, CASE n %% 5 WHEN 0 THEN 20000 END,
                CASE n %% 5 WHEN 0 THEN 30000 END, 300,
                CASE n %% 5 WHEN 0 THEN 700 + 20000 * n ELSE 53700 + 20000 * n END,
                9000 + 10000 * n,
                CASE n WHEN 9 THEN 'down' ELSE 'up' END::vantage.outcome,
                CASE n WHEN 9 THEN 'http_status' END, CASE n WHEN 9 THEN 'HTTP 404 Not Found' END
            FROM page CROSS JOIN generate_series(1, 16) AS n
            """,
            monitor_id=self.monitor(name),
            location=location,
        )


@contextmanager
def centre_of_all(
    databases: Databases, home: Path, folder: Path, *, length: timedelta
) -> Iterator[Centre]:
    """A report centre over a database that all processes with the same ``folder`` copy."""

    @contextmanager
    def made() -> Iterator[str]:
        with databases.migrated() as database:
            now = datetime.now(UTC)
            seed.seed(database.url(), now=now, length=length)
            databases.close(database.name)
            yield f"{database.name} {now.isoformat()}"

    with shared(folder, f"results of {length}", made) as said:
        name, _, seeded_at = said.partition(" ")
        with databases.copied(name) as database, serving(database, home) as started:
            started.seeded_at = datetime.fromisoformat(seeded_at)
            yield started


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
        yield Centre(database, port, program, home)
