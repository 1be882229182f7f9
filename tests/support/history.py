"""Random results, stored as the collector stores them, and the sums of them worked out by hand."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import psycopg

PHASES = ("dns", "connect", "tls", "send", "wait", "receive", "resources")
FAILURES = ("http_status", "connect_timeout", "dns_nxdomain")
BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
AGENTS = UUID("00000000-0000-0000-0000-000000000001")


@dataclass(frozen=True)
class Row:
    """A row of vantage.results; the columns that have no part in any sum are the same in all."""

    slot_at: datetime
    monitor_id: int
    location: str
    agent_id: UUID
    outcome: str
    failure: str | None
    suspect: bool
    is_extra: bool
    redirect_us: int
    dns_us: int | None
    connect_us: int | None
    tls_us: int | None
    send_us: int | None
    wait_us: int | None
    receive_us: int | None
    resources_us: int | None

    @property
    def total_us(self) -> int:
        return self.redirect_us + sum(self.phase(name) or 0 for name in PHASES)

    @property
    def is_timed(self) -> bool:
        return self.outcome != "down" and not self.suspect

    def phase(self, name: str) -> int | None:
        us: int | None = getattr(self, f"{name}_us")
        return us


COLUMNS = [each.name for each in fields(Row)]


def random_row(luck: random.Random, *, days: int = 3, monitors: int = 3) -> Row:
    """One result of any kind; many share their slot, and some their every key."""
    outcome = luck.choices(["up", "degraded", "down"], [80, 10, 10])[0]
    location = luck.choice(["fra", "sin"])
    reached = len(PHASES) if outcome != "down" else luck.randrange(len(PHASES) + 1)
    phases = [int(luck.lognormvariate(10, 1)) if at < reached else None for at in range(7)]
    if luck.random() < 0.3:
        phases[2] = None
    if luck.random() < 0.7:
        phases[6] = None
    return Row(
        slot_at=BEGAN + timedelta(minutes=luck.randrange(days * 1440)),
        monitor_id=luck.randint(1, monitors),
        location=location,
        agent_id=uuid5(AGENTS, f"{location}{luck.randrange(2)}"),
        outcome=outcome,
        failure=None if outcome == "up" else luck.choice(FAILURES),
        suspect=luck.random() < 0.1,
        is_extra=luck.random() < 0.05,
        redirect_us=luck.choice([0, 0, 0, 81_000]),
        dns_us=phases[0],
        connect_us=phases[1],
        tls_us=phases[2],
        send_us=phases[3],
        wait_us=phases[4],
        receive_us=phases[5],
        resources_us=phases[6],
    )


def insert(connection: psycopg.Connection[Any], rows: Sequence[Row]) -> None:
    """Insert results, and do not tell the rollups."""
    columns = ", ".join(COLUMNS)
    places = ", ".join(["%s"] * len(COLUMNS))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO vantage.results ({columns}, total_us, started_at, body_bytes, delay_us,"
            " lag_us, header_bytes, target_port, redirects)"
            f" VALUES ({places}, %s, now(), 0, 0, 0, 0, 80, 0)".encode(),
            [[*(getattr(row, name) for name in COLUMNS), row.total_us] for row in rows],
        )


def ingest(connection: psycopg.Connection[Any], rows: Sequence[Row]) -> None:
    """Store results in one transaction as the collector does, a row of ingested for each agent."""
    by_agent: defaultdict[tuple[UUID, str], list[Row]] = defaultdict(list)
    for row in rows:
        by_agent[row.agent_id, row.location].append(row)
    with connection.transaction():
        insert(connection, rows)
        for (agent_id, location), own in by_agent.items():
            connection.execute(
                "INSERT INTO vantage.ingested (from_slot_at, to_slot_at, agent_id, results,"
                " location) VALUES (%s, %s, %s, %s, %s)",
                [
                    min(row.slot_at for row in own),
                    max(row.slot_at for row in own),
                    agent_id,
                    len(own),
                    location,
                ],
            )


def summed(rows: Iterable[Row], width: timedelta) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Sum up by bucket, monitor and location, without any of the database's help."""
    groups: defaultdict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        if not row.is_extra:
            bucket_at = BEGAN + (row.slot_at - BEGAN) // width * width
            groups[bucket_at, row.monitor_id, row.location].append(row)
    return {key: _sums(group) for key, group in groups.items()}


def _sums(rows: list[Row]) -> dict[str, Any]:
    timed = [row for row in rows if row.is_timed]
    outcomes = Counter(row.outcome for row in rows)
    failures = Counter(row.failure for row in rows if row.failure)
    sums: dict[str, Any] = {
        "run": len(rows),
        "up": outcomes["up"],
        "degraded": outcomes["degraded"],
        "down": outcomes["down"],
        "suspect": sum(row.suspect for row in rows),
        "suspect_down": sum(row.suspect and row.outcome == "down" for row in rows),
        "failures": dict(failures) or None,
        "timed": len(timed),
        "total_sum_us": sum(row.total_us for row in timed),
        "redirect_sum_us": sum(row.redirect_us for row in timed),
        "total_values": sorted(row.total_us for row in timed),
    }
    for name in PHASES:
        values = sorted(us for row in timed if (us := row.phase(name)) is not None)
        sums |= {
            f"{name}_sum_us": sum(values),
            f"{name}_count": len(values),
            f"{name}_values": values,
        }
    return sums


def buckets(histogram: Any) -> dict[int, int]:
    """Take a histogram apart as its documentation says: twelve digits a bucket, from the right."""
    digits = f"{Decimal(histogram or 0):f}"  # an int's would take the square of their number
    whole = digits.zfill(-(-len(digits) // 12) * 12)
    groups = [whole[at : at + 12] for at in range(len(whole) - 12, -1, -12)]
    return {number: int(group) for number, group in enumerate(groups) if group != "0" * 12}
