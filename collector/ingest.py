"""Rows -> COPY -> commit: exactly once, because the high water moves in the same transaction.

One committer serves every stream of the process: whatever waits when it is free goes into one
transaction (group commit). A batch is safe to try again after any loss of the database, even one
that hides whether the commit happened: what was stored lies at or below the high water and is
dropped.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

import psycopg
import structlog
from psycopg.rows import DictRow
from psycopg.sql import SQL, Identifier

from collector import certificates, db, metrics, wire
from collector.assignments import Probed
from collector.errors import TransientError
from collector.room import Room
from vantage.v1.result_pb2 import Result

log = structlog.get_logger()

GROUP_MAX = 64  # batches in one transaction
WAITING_MAX_BYTES = 64 * 1024 * 1024
NOTIFY_MAX = 200  # monitor ids in one notification; more are announced as "many"
RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a batch comes from: one connection's delivery of one incarnation."""

    agent_id: UUID
    location: str
    incarnation: bytes
    connection: int

    @property
    def key(self) -> tuple[UUID, bytes]:
        return self.agent_id, self.incarnation


@dataclass(frozen=True, slots=True)
class Stored:
    """Everything up to ``high_water`` is committed."""

    high_water: int


@dataclass(frozen=True, slots=True)
class Gap:
    """The batch began after ``high_water`` + 1; nothing of it was stored."""

    high_water: int


@dataclass(frozen=True, slots=True)
class Fenced:
    """A newer connection delivers this incarnation; nothing was stored."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """The agent was shut out; nothing was stored."""


Answer = Stored | Gap | Fenced | Revoked


@dataclass(frozen=True, slots=True)
class Lost:
    """Results up to ``to_seq`` are lost, and why."""

    to_seq: int
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Results ``first_seq``, ``first_seq`` + 1, ... of a source, and who waits for the answer.

    ``lost``: from ``first_seq`` on there are no results, and never will be.
    """

    source: Source
    first_seq: int
    payloads: Sequence[bytes]
    answer: asyncio.Future[Answer]
    lost: Lost | None = None

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.payloads))

    def reply(self, answer: Answer) -> None:
        """Wake whoever waits; its stream may be gone."""
        if not self.answer.done():
            self.answer.set_result(answer)

    def halves(self) -> tuple[Batch, Batch]:
        middle = len(self.payloads) // 2
        new_future = self.answer.get_loop().create_future
        return (
            Batch(self.source, self.first_seq, self.payloads[:middle], new_future()),
            Batch(self.source, self.first_seq + middle, self.payloads[middle:], new_future()),
        )


@dataclass(slots=True)
class Group:
    """What one transaction writes, gathered batch by batch.

    ``moved``: new high waters, and the CRC-32 of the result there; None: that one is lost.
    """

    high_waters: dict[tuple[UUID, bytes], DictRow]
    moved: dict[tuple[UUID, bytes], tuple[int, int | None]] = field(default_factory=dict)
    rows: list[wire.Rows] = field(default_factory=list)
    by_agent: dict[tuple[UUID, str], list[wire.Rows]] = field(default_factory=dict)
    gaps: list[wire.Row] = field(default_factory=list)
    sightings: list[certificates.Sighting] = field(default_factory=list)
    refused: list[dict[str, object]] = field(default_factory=list)
    skips: list[dict[str, object]] = field(default_factory=list)
    answers: list[tuple[Batch, Answer]] = field(default_factory=list)

    def high_water(self, source: Source) -> int:
        stored: int = self.high_waters[source.key]["high_water"]
        high_water, _ = self.moved.get(source.key, (stored, None))
        return high_water

    def admit(self, batch: Batch) -> dict[int, bytes]:
        """Decide a batch's answer; return what is new in it, by sequence number."""
        source = batch.source
        state = self.high_waters.get(source.key)
        if state is None or state["connection"] != source.connection:
            self.answers.append((batch, Fenced()))
            return {}
        if state["is_revoked"]:
            self.answers.append((batch, Revoked()))
            return {}
        high_water = self.high_water(source)
        if batch.first_seq > high_water + 1:
            self.answers.append((batch, Gap(high_water)))
            return {}
        if batch.lost is not None:
            self.skip(batch, batch.lost, high_water)
            return {}
        new = dict(enumerate(batch.payloads, start=batch.first_seq))
        new = {seq: payload for seq, payload in new.items() if seq > high_water}
        if new:
            self.moved[source.key] = high_water + len(new), zlib.crc32(batch.payloads[-1])
        self.answers.append((batch, Stored(high_water + len(new))))
        return new

    def skip(self, batch: Batch, lost: Lost, high_water: int) -> None:
        """Move past results that are lost, as far as they were not stored before."""
        if lost.to_seq > high_water:
            self.moved[batch.source.key] = lost.to_seq, None
            self.skips.append(
                {
                    "agent_id": batch.source.agent_id,
                    "incarnation": batch.source.incarnation,
                    "from_seq": high_water + 1,
                    "to_seq": lost.to_seq,
                    "reason": lost.reason,
                }
            )
        self.answers.append((batch, Stored(max(high_water, lost.to_seq))))

    def quarantine(self, source: Source, seq: int, reason: str, payload: bytes) -> None:
        self.refused.append(
            {
                "agent_id": source.agent_id,
                "incarnation": source.incarnation,
                "seq": seq,
                "reason": reason,
                "payload": payload,
            }
        )

    def ingested(self) -> list[wire.Row]:
        """Tell what there is to add to the rollups.

        One row an agent: the rows of a transaction share ``received_at``, by which they are found.
        """
        return [
            wire.ingested_row(rows, agent_id=agent_id, location=location)
            for (agent_id, location), rows in self.by_agent.items()
        ]

    def arrived(self) -> list[wire.Row]:
        """Tell what is to be judged, one row an agent."""
        rows = (
            wire.arrived_row(rows, agent_id=agent_id, location=location)
            for (agent_id, location), rows in self.by_agent.items()
        )
        return [row for row in rows if row is not None]

    def announcement(self) -> str:
        """Name the monitors with new results, as NOTIFY's payload; empty: too many to name."""
        monitors = {rows.monitor_id for rows in self.rows}
        return ",".join(map(str, monitors)) if len(monitors) <= NOTIFY_MAX else ""


class Committer:
    """Stores batches in the order they come; ``run`` must be running for ``store`` to end."""

    def __init__(self, url: str, probed: Probed, *, waiting_max: int = 256) -> None:
        self.url = url
        self.probed = probed
        self.waiting: asyncio.Queue[Batch] = asyncio.Queue(waiting_max)
        self.room = Room(WAITING_MAX_BYTES)
        metrics.BATCHES_WAITING.set_function(self.waiting.qsize)
        metrics.BYTES_WAITING.set_function(lambda: self.room.taken_bytes)

    async def submit(
        self,
        source: Source,
        first_seq: int,
        payloads: Sequence[bytes],
        *,
        lost: Lost | None = None,
    ) -> asyncio.Future[Answer]:
        """Queue a batch, or a loss in its place.

        Waits while the queue is full, which is the agents' back-pressure.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        batch = Batch(source, first_seq, payloads, answer, lost)
        await self.room.take(batch.size_bytes)
        try:
            await self.waiting.put(batch)
        except asyncio.CancelledError:
            self.room.give(batch.size_bytes)
            raise
        return answer

    async def run(self) -> None:
        """Commit for ever, over as many connections as that takes."""
        connection: db.AsyncConnection | None = None
        try:
            while True:
                batches = [await self.waiting.get()]
                while len(batches) < GROUP_MAX and not self.waiting.empty():
                    batches.append(self.waiting.get_nowait())
                connection = await self.commit_until_done(connection, batches)
                self.room.give(sum(batch.size_bytes for batch in batches))
        finally:
            if connection is not None:
                await connection.close()

    async def commit_until_done(
        self, connection: db.AsyncConnection | None, batches: list[Batch]
    ) -> db.AsyncConnection:
        """Commit the batches, over new connections while the database comes and goes."""
        for attempt in count():
            try:
                if connection is None or connection.closed:
                    connection = await db.connect(self.url)
                await self.commit(connection, batches)
            except (TransientError, psycopg.OperationalError) as error:
                metrics.COMMITS_FAILED.inc()
                log.warning("commit_failed", error=str(error), batches=len(batches))
                if connection is not None:
                    await connection.close()
                await asyncio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
            else:
                return connection
        raise AssertionError("count() never ends")

    async def commit(self, connection: db.AsyncConnection, batches: list[Batch]) -> None:
        """Store the batches in one transaction and answer them after its commit.

        What the database refuses in spite of wire's checks is narrowed down, by halves, to the
        one result that causes it; that one goes to quarantine with the database's words.
        """
        try:
            group = await self.transaction(connection, batches)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            if len(batches) > 1:
                for batch in batches:
                    await self.commit(connection, [batch])
                return
            [batch] = batches
            if len(batch.payloads) > 1:
                halves = batch.halves()
                for half in halves:
                    await self.commit(connection, [half])
                batch.reply(halves[-1].answer.result())
                return
            log.error("result_refused", error=str(error), agent_id=str(batch.source.agent_id))
            group = await self.transaction(connection, batches, refuse=db.first_line(error))
        for batch, answer in group.answers:
            metrics.BATCHES.labels(type(answer).__name__.lower()).inc()
            batch.reply(answer)

    async def transaction(
        self,
        connection: db.AsyncConnection,
        batches: Sequence[Batch],
        *,
        refuse: str | None = None,
    ) -> Group:
        """Write the batches and move the high waters, all or nothing.

        With ``refuse`` every result goes to quarantine for that reason instead of to its table.
        """
        statements = db.queries("delivery")
        began = time.perf_counter()
        async with connection.transaction(), connection.cursor() as cursor:
            keys = sorted({batch.source.key for batch in batches})
            await cursor.execute(
                statements["lock_high_waters"],
                {"agent_ids": [key[0] for key in keys], "incarnations": [key[1] for key in keys]},
            )
            group = Group({(row["agent_id"], row["incarnation"]): row async for row in cursor})
            for batch in batches:
                new = group.admit(batch)
                if new:
                    messages = decode(group, batch.source, new, refuse)
                    await self.add_rows(group, batch.source, messages)
            await copy(cursor, "results", wire.RESULT_COLUMNS, [r.result for r in group.rows])
            exchanges = [row for r in group.rows for row in r.exchanges]
            await copy(cursor, "exchanges", wire.EXCHANGE_COLUMNS, exchanges)
            await copy(cursor, "ingested", wire.INGESTED_COLUMNS, group.ingested())
            await copy(cursor, "arrivals", wire.ARRIVED_COLUMNS, group.arrived())
            await copy(cursor, "gaps", wire.GAP_COLUMNS, group.gaps)
            await certificates.store(cursor, group.sightings)
            if group.refused:
                await cursor.executemany(statements["quarantine"], group.refused)
            if group.skips:
                await cursor.executemany(statements["skip"], group.skips)
            for key, (new_high_water, crc32) in group.moved.items():
                row = group.high_waters[key]
                move = {**row, "old": row["high_water"], "new": new_high_water, "crc32": crc32}
                await cursor.execute(statements["move_high_water"], move)
                if cursor.rowcount != 1:
                    raise TransientError("A high water moved although its row was locked.")
            if group.rows:
                await cursor.execute(
                    statements["notify_results"], {"monitors": group.announcement()}
                )
        duration_s = time.perf_counter() - began
        metrics.COMMIT_SECONDS.observe(duration_s)
        metrics.RESULTS_STORED.inc(len(group.rows))
        metrics.RESULTS_QUARANTINED.inc(len(group.refused))
        log.debug(
            "group_committed",
            batches=len(batches),
            results=len(group.rows),
            gaps=len(group.gaps),
            quarantined=len(group.refused),
            duration_ms=round(duration_s * 1000, 1),
        )
        return group

    async def add_rows(
        self, group: Group, source: Source, messages: dict[int, tuple[bytes, Result]]
    ) -> None:
        """Add each message to the group as rows, or to its quarantine."""
        wanted = {message.monitor_id for _, message in messages.values()}
        probed = await self.probed.of(source.location, wanted)
        now_us = time.time_ns() // 1000
        begin = len(group.rows)
        for seq, (payload, message) in messages.items():
            if message.monitor_id not in probed:
                reason = f"monitor {message.monitor_id} is not probed from {source.location}"
                group.quarantine(source, seq, reason, payload)
                continue
            agent_id, location = source.agent_id, source.location
            try:
                if message.HasField("missed"):
                    group.gaps.append(
                        wire.gap_row(message, agent_id=agent_id, location=location, now_us=now_us)
                    )
                else:
                    group.rows.append(
                        wire.rows(message, agent_id=agent_id, location=location, now_us=now_us)
                    )
                    if sighting := certificates.sighting(message, location):
                        group.sightings.append(sighting)
            except wire.RefusedResult as refusal:
                group.quarantine(source, seq, str(refusal), payload)
        if len(group.rows) > begin:
            group.by_agent.setdefault((source.agent_id, source.location), []).extend(
                group.rows[begin:]
            )


def decode(
    group: Group, source: Source, payloads: dict[int, bytes], refuse: str | None
) -> dict[int, tuple[bytes, Result]]:
    """Decode payloads by sequence number; the undecodable go to the group's quarantine."""
    messages = {}
    for seq, payload in payloads.items():
        try:
            if refuse is not None:
                raise wire.RefusedResult(refuse)
            messages[seq] = payload, wire.decode(payload)
        except wire.RefusedResult as refusal:
            group.quarantine(source, seq, str(refusal), payload)
    return messages


async def copy(
    cursor: psycopg.AsyncCursor[DictRow],
    table: str,
    columns: dict[str, str],
    rows: Sequence[wire.Row],
) -> None:
    """COPY rows into a table of schema vantage, in PostgreSQL's binary form."""
    if not rows:
        return
    statement = SQL("COPY vantage.{} ({}) FROM STDIN (FORMAT BINARY)").format(
        Identifier(table), SQL(", ").join(map(Identifier, columns))
    )
    async with cursor.copy(statement) as writer:
        writer.set_types(list(columns.values()))
        for row in rows:
            await writer.write_row(row)
