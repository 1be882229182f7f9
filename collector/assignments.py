"""Which agent probes what, now: read from the database, pushed to the streams as it changes."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg
import structlog
from psycopg.rows import DictRow

from collector import db
from collector.errors import TransientError
from vantage.v1 import monitor_pb2

log = structlog.get_logger()

# Agents die without a notification; their monitors move at the next look.
LOOK_EVERY_S = 5.0
RETRY_S = 1.0


class Probed:
    """Which monitors each location probes or ever probed: whose results are welcome."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.by_location: dict[str, frozenset[int]] = {}
        self.read_at = float("-inf")

    async def of(self, location: str, wanted: set[int]) -> frozenset[int]:
        """Return the location's monitors; read anew (once a second) when one wanted is missing."""
        known = self.by_location.get(location, frozenset())
        if wanted <= known or time.monotonic() - self.read_at < 1.0:
            return known
        async with await db.connect(self.url) as connection:
            cursor = await connection.execute(db.queries("delivery")["monitors_of_locations"])
            rows = await cursor.fetchall()
        self.by_location = {row["location"]: frozenset(row["monitor_ids"]) for row in rows}
        self.read_at = time.monotonic()
        return self.by_location.get(location, frozenset())


class Subscription:
    """One stream's assignments: the newest wins, an unchanged one is not sent again."""

    def __init__(self) -> None:
        self.newest: monitor_pb2.Assignments | None = None
        self.changed = asyncio.Event()

    def offer(self, assignments: monitor_pb2.Assignments) -> None:
        if assignments != self.newest:
            self.newest = assignments
            self.changed.set()

    async def next(self) -> monitor_pb2.Assignments:
        await self.changed.wait()
        self.changed.clear()
        assert self.newest is not None  # noqa: S101 - offer sets both
        return self.newest


class Assignments:
    """Keeps every subscribed agent's assignments current; ``run`` must be running."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.subscriptions: defaultdict[UUID, set[Subscription]] = defaultdict(set)
        self.wake = asyncio.Event()

    @contextmanager
    def subscribe(self, agent_id: UUID) -> Iterator[Subscription]:
        subscription = Subscription()
        self.subscriptions[agent_id].add(subscription)
        self.wake.set()
        try:
            yield subscription
        finally:
            self.subscriptions[agent_id].discard(subscription)
            if not self.subscriptions[agent_id]:
                del self.subscriptions[agent_id]

    async def run(self) -> None:
        """Look for ever: when told of a change, when an agent comes, and every few seconds."""
        while True:
            try:
                async with await db.connect(self.url) as listener:
                    await listener.execute("LISTEN vantage_assignments")
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(self.listen(listener))
                        tasks.create_task(self.look())
            except* (TransientError, psycopg.OperationalError) as errors:
                log.warning("assignments_interrupted", error=str(errors.exceptions[0]))
                await asyncio.sleep(RETRY_S)

    async def listen(self, listener: db.AsyncConnection) -> None:
        async for _ in listener.notifies():
            self.wake.set()
        raise TransientError("The connection that listens for changes has ended.")

    async def look(self) -> None:
        async with await db.connect(self.url) as connection:
            while True:
                self.wake.clear()
                if self.subscriptions:
                    await self.push(connection)
                try:
                    await asyncio.wait_for(self.wake.wait(), LOOK_EVERY_S)
                except TimeoutError:
                    continue

    async def push(self, connection: db.AsyncConnection) -> None:
        """Read what every subscribed agent shall probe, and offer it to its streams."""
        agent_ids = list(self.subscriptions)
        cursor = await connection.execute(
            db.queries("delivery")["assignments"], {"agent_ids": agent_ids}
        )
        by_agent = {agent_id: monitor_pb2.Assignments() for agent_id in agent_ids}
        async for row in cursor:
            by_agent[row["agent_id"]].assignments.append(assignment(row))
        for agent_id, assignments in by_agent.items():
            for subscription in self.subscriptions.get(agent_id, ()):
                subscription.offer(assignments)


def assignment(row: DictRow) -> monitor_pb2.Assignment:
    """Turn a row of the statement ``assignments`` into its message."""
    return monitor_pb2.Assignment(
        monitor=monitor_pb2.Monitor(
            id=row["id"],
            url=row["url"],
            interval_us=row["interval_s"] * 1_000_000,
            timeout_us=row["timeout_us"],
            slow_us=row["slow_us"],
            max_redirects=row["max_redirects"],
        ),
        offset_us=row["offset_us"],
    )
