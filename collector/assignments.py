"""Which agent probes what, now: read from the database, pushed to the streams as it changes."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import psycopg
import structlog
from psycopg import IsolationLevel

from collector import db
from collector.assigned import Assigned
from collector.errors import TransientError
from collector.keyring import Keyring
from collector.tasks import run_until_one_fails
from vantage.v1 import monitor_pb2
from vantage.v1.delivery_pb2 import CollectorMessage, RunNow

log = structlog.get_logger()

LOOK_EVERY_S = 5.0
# Changes seldom come alone: what comes within this is looked at together.
GATHER_S = 0.1
# Agents die without a notification: somebody has to look. An agent that has been silent for
# SILENT_S is taken to be dead, which the statement `leave_pools` says too.
LOOK_FOR_SILENT_EVERY_S = 1.0
SILENT_S = 10.0
# For how long a connection must be over before less silence will do: an agent that renews its
# certificate, or goes to another collector, is back within that.
LOST_S = 2.0
RETRY_S = 1.0
LOOK_FOR_STRANGE_EVERY_S = 1.0


class Probed:
    """Which monitors each location probes or ever probed: whose results are welcome."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.by_location: dict[str, frozenset[int]] = {}
        self.strange: dict[str, frozenset[int]] = {}
        """Those that were looked for last and not found."""
        self.read_at = float("-inf")
        self.reading = asyncio.Lock()

    def known(self, location: str) -> frozenset[int]:
        """Return the location's monitors, as they were read last."""
        return self.by_location.get(location, frozenset())

    async def look_for(self, location: str, strange: set[int]) -> frozenset[int]:
        """Return the location's monitors, read anew, at most once a second.

        One that was never looked for may have been added this moment: the next look is waited for.
        Raises: TransientError, psycopg.OperationalError.
        """
        async with self.reading:
            if strange <= self.known(location):  # somebody else has looked meanwhile
                return self.known(location)
            wait_s = self.read_at + LOOK_FOR_STRANGE_EVERY_S - time.monotonic()
            if wait_s > 0:
                if strange <= self.strange.get(location, frozenset()):
                    return self.known(location)
                await asyncio.sleep(wait_s)
            async with await db.connect(self.url) as connection:
                cursor = await connection.execute(db.queries("delivery")["monitors_of_locations"])
                rows = await cursor.fetchall()
            self.by_location = {row["location"]: frozenset(row["monitor_ids"]) for row in rows}
            self.read_at = time.monotonic()
            self.strange[location] = frozenset(strange - self.known(location))
            return self.known(location)


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A person wants a monitor probed now; ``locations`` empty: from all of its own."""

    monitor_id: int
    requested_at_us: int
    locations: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, payload: str) -> RunRequest:
        """Read what the statement ``run_now`` announces: ``id microseconds location,...``.

        Raises: ValueError.
        """
        monitor_id, requested_at_us, locations = payload.split(" ", 2)
        return cls(
            int(monitor_id), int(requested_at_us), frozenset(filter(None, locations.split(",")))
        )


class Subscription:
    """What one stream shall be told: of assignments the newest, if it is news; every request."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.newest: monitor_pb2.Assignments | None = None
        self.messages: asyncio.Queue[CollectorMessage] = asyncio.Queue()

    def offer(self, assignments: monitor_pb2.Assignments) -> None:
        if assignments is not self.newest and assignments != self.newest:
            self.newest = assignments
            self.messages.put_nowait(CollectorMessage(assignments=assignments))

    def request(self, run: RunRequest) -> None:
        """Pass a request on to an agent that it concerns."""
        if run.locations and self.location not in run.locations:
            return
        if self.newest and any(is_for(run, each) for each in self.newest.assignments):
            run_now = RunNow(monitor_id=run.monitor_id, requested_at_us=run.requested_at_us)
            self.messages.put_nowait(CollectorMessage(run_now=run_now))


def is_for(run: RunRequest, assignment: monitor_pb2.Assignment) -> bool:
    """Whether a request is about an assignment, as it is at that moment."""
    return (
        assignment.monitor.id == run.monitor_id
        and assignment.from_slot_us <= run.requested_at_us
        and not 0 < assignment.until_slot_us <= run.requested_at_us
    )


class Assignments:
    """Keeps every subscribed agent's assignments current; ``run`` must be running."""

    def __init__(self, url: str, keyring: Keyring) -> None:
        self.url = url
        self.subscriptions: defaultdict[UUID, set[Subscription]] = defaultdict(set)
        self.lost_at: dict[UUID, float] = {}
        """Agents whose last stream here ended a moment ago; maybe another collector has them."""
        self.runs: list[RunRequest] = []
        self.assigned = Assigned(keyring)
        self.wake = asyncio.Event()
        self.is_current = False
        """Whether the database told what is to be probed, and will tell what changes."""

    @contextmanager
    def subscribe(self, agent_id: UUID, location: str) -> Iterator[Subscription]:
        subscription = Subscription(location)
        self.subscriptions[agent_id].add(subscription)
        self.lost_at.pop(agent_id, None)
        self.wake.set()
        try:
            yield subscription
        finally:
            self.subscriptions[agent_id].discard(subscription)
            if not self.subscriptions[agent_id]:
                del self.subscriptions[agent_id]
                self.lost_at[agent_id] = time.monotonic()

    async def run(self) -> None:
        """Look for ever: when told of a change, when an agent comes, and every few seconds."""
        while True:
            try:
                async with await db.connect(self.url) as listener:
                    await listener.execute("LISTEN vantage_assignments")
                    await listener.execute("LISTEN vantage_run_now")
                    self.is_current = True
                    await run_until_one_fails(
                        self.listen(listener), self.look(), self.look_for_silent()
                    )
            except (TransientError, psycopg.OperationalError) as error:
                self.is_current = False
                log.warning("assignments_interrupted", error=str(error))
                await asyncio.sleep(RETRY_S)

    async def listen(self, listener: db.AsyncConnection) -> None:
        async for told in listener.notifies():
            if told.channel == "vantage_run_now":
                try:
                    self.runs.append(RunRequest.parse(told.payload))
                except ValueError:
                    log.warning("run_request_ignored", payload=told.payload)
            self.wake.set()
        raise TransientError("The connection that listens for changes has ended.")

    async def look_for_silent(self) -> None:
        """Let others take over from agents that are silent."""
        async with await db.connect(self.url) as connection:
            # While the database was away nobody could be heard.
            await asyncio.sleep(SILENT_S)
            while True:
                lost = self.lost()
                cursor = await connection.execute(
                    db.queries("delivery")["leave_pools"],
                    {"lost_ids": list(lost), "lost_for_s": list(lost.values())},
                )
                async for row in cursor:
                    log.warning("agent_silent", agent_id=str(row["id"]), location=row["location"])
                await asyncio.sleep(LOOK_FOR_SILENT_EVERY_S)

    def lost(self) -> dict[UUID, float]:
        """Return for how long (seconds) the connections are over that did not come back here."""
        now = time.monotonic()
        self.lost_at = {key: at for key, at in self.lost_at.items() if at > now - SILENT_S}
        return {key: now - at for key, at in self.lost_at.items() if at < now - LOST_S}

    async def look(self) -> None:
        async with await db.connect(self.url) as connection:
            await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            while True:
                self.wake.clear()
                # Requests wait for what they may be about: a monitor added just before. Should the
                # database go away meanwhile, they are here still.
                runs = list(self.runs)
                if self.subscriptions:
                    await self.push(connection)
                for run in runs:
                    self.pass_on(run)
                del self.runs[: len(runs)]
                await asyncio.sleep(GATHER_S)
                try:
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await self.wake.wait()
                except TimeoutError:
                    continue

    def pass_on(self, run: RunRequest) -> None:
        for subscriptions in self.subscriptions.values():
            for subscription in subscriptions:
                subscription.request(run)

    async def push(self, connection: db.AsyncConnection) -> None:
        """Read what every subscribed agent shall probe, and offer it to its streams."""
        statements = db.queries("delivery")
        agent_ids = list(self.subscriptions)
        async with connection.transaction():  # both statements see the same
            cursor = await connection.execute(statements["assigned"], {"agent_ids": agent_ids})
            agents = await cursor.fetchall()
            monitor_ids = list({each for row in agents for each in row["monitor_ids"]})
            cursor = await connection.execute(
                statements["assigned_monitors"], {"monitor_ids": monitor_ids}
            )
            monitors = await cursor.fetchall()
        for agent_id, assignments in self.assigned.update(agent_ids, agents, monitors):
            for subscription in self.subscriptions.get(agent_id, ()):
                subscription.offer(assignments)
