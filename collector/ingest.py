"""Rows -> COPY -> commit: exactly once, because the high water moves in the same transaction.

One committer serves every stream of the process: whatever waits when it is free goes into one
transaction (group commit). A batch is safe to try again after any loss of the database, even one
that hides whether the commit happened: what was stored lies at or below the high water and is
dropped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import count
from uuid import UUID

import psycopg
import structlog
from psycopg.rows import DictRow

from collector import certificates, db, doubt, metrics, wire
from collector.assignments import Probed
from collector.batch import Answer, Batch, Lost, Source, expected_bytes
from collector.content import Content
from collector.errors import TransientError
from collector.group import Group
from collector.occupation import Occupation
from collector.room import Room
from collector.row import copy

log = structlog.get_logger()

# In one transaction: of much more a COPY is hardly faster, and the first of them wait for the last.
GROUP_MAX = 256
GROUP_RESULTS_MAX = 10_000
# From the begin of a transaction of several batches to the next at most, unless so many results
# wait: each costs the database two milliseconds of processor time, however little it stores. While
# they are quick there are not so many of them that one would have to wait as long; and none has to
# while this process has little to do.
GATHER_S = 0.025
REST = 2
SEVERAL = 4
PLENTY = 1_000
BUSY = 0.6  # of a processor
# Two or three transactions' worth: more would only wait here instead of in the agents' spools.
WAITING_MAX_BYTES = 16 * 1024 * 1024
RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)


class Committer:
    """Stores batches in the order they come; ``run`` must be running for ``store`` to end."""

    def __init__(self, url: str, probed: Probed, *, waiting_max: int = 256) -> None:
        self.url = url
        self.probed = probed
        self.waiting: asyncio.Queue[Batch] = asyncio.Queue(waiting_max)
        self.results_waiting = 0
        self.reading = asyncio.Lock()
        self.room = Room(WAITING_MAX_BYTES)
        self.occupation = Occupation()
        metrics.BATCHES_WAITING.set_function(self.waiting.qsize)
        metrics.BYTES_WAITING.set_function(lambda: self.room.taken_bytes)

    async def submit(
        self,
        source: Source,
        first_seq: int,
        payloads: Sequence[bytes],
        *,
        may_be_stored: bool = False,
        lost: Lost | None = None,
    ) -> Batch:
        """Queue a batch, or a loss in its place; its ``answer`` comes after the commit.

        Waits while the queue is full, which is the agents' back-pressure.
        """
        received_at = time.perf_counter()
        taken_bytes = expected_bytes(payloads)
        await self.room.take(taken_bytes)
        try:
            answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            # A copy, so that the message it comes from need not be kept; not before there is room.
            batch = Batch(
                source,
                first_seq,
                list(payloads),
                answer,
                lost,
                may_be_stored=may_be_stored,
                received_at=received_at,
            )
            await self.read(batch)
            self.room.give(taken_bytes - batch.size_bytes)  # more than was to be seen before
            taken_bytes = batch.size_bytes
            await self.waiting.put(batch)
            self.results_waiting += len(payloads)
        except BaseException:
            self.room.give(taken_bytes)
            raise
        return batch

    async def read(self, batch: Batch) -> None:
        """Make a batch's rows before its transaction: meanwhile the one before is stored."""
        source = batch.source
        batch.probed = self.probed.known(source.location)
        batch.content = await self.content(batch)
        if batch.content.strange:
            batch.probed = await self.probed.look_for(source.location, batch.content.strange)
            batch.content = await self.content(batch)

    async def content(self, batch: Batch) -> Content:
        """Make the rows of one batch, and of no other in the same turn of the loop.

        Whatever else has to be done at once, as the steps of the transaction under way, waits for
        one batch then and not for as many as have come.
        """
        async with self.reading:
            return batch.read(batch.first_seq)

    async def run(self) -> None:
        """Commit for ever, over as many connections as that takes."""
        connection: db.AsyncConnection | None = None
        try:
            while True:
                batches = await self.next_group()
                began_at = batches[0].begun_at
                connection = await self.commit_until_done(connection, batches)
                self.room.give(sum(batch.size_bytes for batch in batches))
                share = self.occupation.since_last()
                if len(batches) >= SEVERAL and self.results_waiting < PLENTY:
                    await asyncio.sleep(pause_s(time.perf_counter() - began_at, share))
        finally:
            if connection is not None:
                await connection.close()

    async def next_group(self) -> list[Batch]:
        """Wait for a batch and take those that came with it, as many as one transaction stores."""
        batches = [await self.waiting.get()]
        results = len(batches[0].payloads)
        while len(batches) < GROUP_MAX and results < GROUP_RESULTS_MAX and not self.waiting.empty():
            batches.append(self.waiting.get_nowait())
            results += len(batches[-1].payloads)
        self.results_waiting -= results
        begun_at = time.perf_counter()
        for batch in batches:
            batch.begun_at = begun_at
            metrics.WAITING.observe(begun_at - batch.received_at)
        return batches

    async def commit_until_done(
        self, connection: db.AsyncConnection | None, batches: list[Batch]
    ) -> db.AsyncConnection:
        """Commit the batches, over new connections while the database comes and goes."""
        for attempt in count():
            try:
                if connection is None or connection.closed:
                    connection = await db.connect(self.url)
                await self.commit(connection, batches)
            except (TransientError, psycopg.Error) as error:
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
            metrics.STORING.observe(time.perf_counter() - batch.begun_at)
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
        began = time.perf_counter()
        try:
            group = Group(await lock(connection, batches))
            for batch in batches:
                if batch.may_be_stored:
                    await doubt.leave_out(connection, batch)
                group.add(batch, refuse)
            await write(connection, group)
            await end(connection, group)
        except Exception:
            if not connection.closed:
                await connection.rollback()
            raise
        duration_s = time.perf_counter() - began
        metrics.COMMIT_SECONDS.observe(duration_s)
        metrics.RESULTS_STORED.inc(group.count)
        metrics.RESULTS_QUARANTINED.inc(len(group.refused))
        log.debug(
            "group_committed",
            batches=len(batches),
            results=group.count,
            gaps=len(group.gaps),
            quarantined=len(group.refused),
            duration_ms=round(duration_s * 1000, 1),
        )
        return group


async def lock(
    connection: db.AsyncConnection, batches: Sequence[Batch]
) -> dict[tuple[UUID, bytes], DictRow]:
    """Begin a transaction; return the high waters of the batches' incarnations, now locked."""
    keys = sorted({batch.source.key for batch in batches})
    wanted = {"agent_ids": [key[0] for key in keys], "incarnations": [key[1] for key in keys]}
    # What needs no answer of another shares a round trip, here as at the end: each waits for the
    # loop, which reads for hundreds of streams.
    async with connection.pipeline():
        await connection.execute("BEGIN")
        locked = await connection.execute(db.queries("delivery")["lock_high_waters"], wanted)
    return {(row["agent_id"], row["incarnation"]): row async for row in locked}


async def write(connection: db.AsyncConnection, group: Group) -> None:
    """Write the rows of a group."""
    statements = db.queries("delivery")
    async with connection.cursor() as cursor:
        await copy(cursor, "results", wire.RESULT_COLUMNS, group.results)
        await copy(cursor, "exchanges", wire.EXCHANGE_COLUMNS, group.exchanges)
        await copy(cursor, "gaps", wire.GAP_COLUMNS, group.gaps)
        await certificates.store(cursor, group.sightings)
        if group.refused:
            await cursor.executemany(statements["quarantine"], group.refused)
        if group.skips:
            await cursor.executemany(statements["skip"], group.skips)


async def end(connection: db.AsyncConnection, group: Group) -> None:
    """Tell of what was written, move the high waters, and commit. Raises: TransientError."""
    statements = db.queries("delivery")
    async with connection.pipeline():
        if group.count:
            await connection.execute(statements["ingested"], group.ingested())
            await connection.execute(statements["arrived"], group.arrived())
            await connection.execute(
                statements["notify_results"], {"monitors": group.announcement()}
            )
        if group.moved:
            await connection.execute(statements["move_high_waters"], group.moves())
        ended = await connection.execute("COMMIT")
    if ended.statusmessage != "COMMIT":  # of a transaction that failed it says ROLLBACK
        raise TransientError("The database did not commit.")


def pause_s(took_s: float, share: float) -> float:
    """How long to gather after a transaction that took so long, and this much of a processor."""
    return max(0.0, min(REST * took_s, GATHER_S - took_s)) if share >= BUSY else 0.0
