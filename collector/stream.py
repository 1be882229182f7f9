"""One agent's stream: what its messages do, and what it is told.

docs/protocol.md has a row for each message in each state.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import structlog
from psycopg.rows import DictRow

from collector import db, metrics, wire
from collector.assignments import Subscription
from collector.batch import Batch, Fenced, Gap, Lost, Revoked, Source, Stored
from collector.clock import AgentClock, now_us
from collector.heartbeats import Heartbeats, Said
from collector.ingest import Committer
from collector.peer import Peer
from vantage.v1 import delivery_pb2
from vantage.v1.delivery_pb2 import AgentMessage, CollectorMessage

log = structlog.get_logger()

Context = grpc.aio.ServicerContext[AgentMessage, CollectorMessage]
IN_FLIGHT_MAX = 4
BATCH_MAX = 10_000
SEQ_MAX = 2**62
DETAIL_MAX = 1_000
EVENTS_MAX = 100  # of one stream
# For how long a peer that does not read may keep a stream from ending.
WRITE_S = 5.0
# For how long both of two machines must be heard that are the same agent.
COPY_SURE_S = 3.0


class StreamError(Exception):
    """Ends a stream with a status and a sentence for the agent's log."""

    def __init__(self, code: grpc.StatusCode, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class StreamDone(Exception):
    """Ends a stream in good order."""


def revoked() -> StreamError:
    """Return the end of a stream whose agent was shut out."""
    return StreamError(
        grpc.StatusCode.PERMISSION_DENIED,
        "This agent was revoked. To use the machine again, enrol it anew: "
        "vantage-agent join --replace",
    )


class Stream:
    """One agent's stream: delivers one incarnation after another."""

    def __init__(
        self,
        pool: db.Pool,
        committer: Committer,
        heartbeats: Heartbeats,
        peer: Peer,
        location: str,
        context: Context,
        *,
        clock_bound_us: int,
    ) -> None:
        self.pool = pool
        self.committer = committer
        self.heartbeats = heartbeats
        self.peer = peer
        self.location = location
        self.context = context
        self.source: Source | None = None
        self.version: str | None = None
        self.running: bytes | None = None
        self.superseded_since: float | None = None
        self.events = 0
        self.clock = AgentClock(clock_bound_us)
        self.receiving = asyncio.Lock()
        self.writing = asyncio.Lock()
        self.leaving: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.answers: asyncio.Queue[Batch] = asyncio.Queue(IN_FLIGHT_MAX)
        self.heard: asyncio.Queue[tuple[delivery_pb2.Heartbeat, int]] = asyncio.Queue(1)

    async def serve(self, subscription: Subscription) -> None:
        """Run until the agent ends the stream, StreamDone or StreamError does, or it breaks."""
        async with asyncio.TaskGroup() as tasks:
            helpers = [
                tasks.create_task(self.answer()),
                tasks.create_task(self.note_heartbeats()),
                tasks.create_task(self.assign(subscription)),
                tasks.create_task(self.left()),
            ]
            # Not by gRPC's iterator: that keeps each message until the next one has come.
            while isinstance(message := await self.context.read(), AgentMessage):
                async with self.receiving:
                    await self.receive(message)
                del message
            await self.answers.join()
            await self.heard.join()
            for helper in helpers:
                helper.cancel()

    def leave(self, why: str) -> None:
        """End the stream when everything that was read is answered; the agent connects anew."""
        if not self.leaving.done():
            self.leaving.set_result(why)

    async def left(self) -> None:
        why = await self.leaving
        async with self.receiving:  # nothing more is read
            await self.answers.join()
            raise StreamError(grpc.StatusCode.UNAVAILABLE, why)

    async def fetch(self, statement: str, **parameters: Any) -> DictRow | None:
        return await db.fetch_one(self.pool, "delivery", statement, **parameters)

    async def receive(self, message: AgentMessage) -> None:
        received_at_us = now_us()
        match message.WhichOneof("message"):
            case "batch":
                await self.batch(message.batch)
            case "heartbeat":
                await self.heartbeat(message.heartbeat, received_at_us)
            case "hello":
                await self.hello(message.hello)
            case "close":
                await self.close(message.close)
            case "skip":
                await self.skip(message.skip)
            case "event":
                await self.note(message.event.kind, message.event.detail)
            case _:  # a newer agent's message: tolerated
                log.debug("message_ignored")

    async def hello(self, hello: delivery_pb2.Hello) -> None:
        if len(hello.incarnation) != 16:
            raise StreamError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"An incarnation has 16 bytes, this one {len(hello.incarnation)}.",
            )
        await self.answers.join()
        self.heartbeats.hurry()
        await self.heard.join()
        row = await self.fetch(
            "hello",
            agent_id=self.peer.agent_id,
            incarnation=hello.incarnation,
            is_running=hello.is_running,
        )
        assert row is not None  # noqa: S101 - INSERT ... RETURNING
        self.running = hello.incarnation if hello.is_running else None
        if row["is_superseded"]:
            await self.refuse_copy()
        if hello.acked > row["high_water"]:
            await self.note(
                "database_restored",
                f"The agent was told that {hello.acked} results of incarnation"
                f" {hello.incarnation.hex()} are stored; {row['high_water']} are.",
            )
        self.source = Source(
            self.peer.agent_id, self.location, hello.incarnation, row["connection"]
        )
        self.version = hello.version.replace("\0", "")[:64] or None
        await self.beat(delivery_pb2.Heartbeat(), backlog=None)
        await self.send(
            CollectorMessage(
                welcome=delivery_pb2.Welcome(
                    incarnation=hello.incarnation,
                    high_water=row["high_water"],
                    payload_crc32=row["payload_crc32"],
                    takes_skips=True,
                    knows_stored=True,
                )
            )
        )

    async def batch(self, batch: delivery_pb2.Batch) -> None:
        if self.source is None:
            raise StreamError(grpc.StatusCode.FAILED_PRECONDITION, "Hello comes before a batch.")
        if batch.first_seq < 1 or not 1 <= len(batch.results) <= BATCH_MAX:
            raise StreamError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"A batch of {len(batch.results)} results from sequence number {batch.first_seq}: "
                f"1 to {BATCH_MAX} results from 1 on are allowed.",
            )
        queued = await self.committer.submit(
            self.source, batch.first_seq, batch.results, may_be_stored=batch.may_be_stored
        )
        await self.answers.put(queued)

    async def skip(self, skip: delivery_pb2.Skip) -> None:
        if self.source is None:
            raise StreamError(grpc.StatusCode.FAILED_PRECONDITION, "Hello comes before a skip.")
        if not 1 <= skip.from_seq <= skip.to_seq <= SEQ_MAX or not wire.CODE.fullmatch(skip.reason):
            raise StreamError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"Results {skip.from_seq} to {skip.to_seq} cannot be lost ({skip.reason[:40]!r}).",
            )
        lost = Lost(skip.to_seq, skip.reason)
        log.warning("results_lost", from_seq=skip.from_seq, to_seq=skip.to_seq, reason=skip.reason)
        queued = await self.committer.submit(self.source, skip.from_seq, [], lost=lost)
        await self.answers.put(queued)

    async def note(self, kind: str, detail: str) -> None:
        """Keep an event, unless it is none or one of too many."""
        detail = detail.replace("\0", "").strip()[:DETAIL_MAX]
        self.events += 1
        if not wire.CODE.fullmatch(kind) or self.events > EVENTS_MAX:
            log.warning("event_ignored", kind=kind[:40])
            return
        log.warning("agent_event", kind=kind, detail=detail)
        await self.fetch(
            "note_event",
            agent_id=self.peer.agent_id,
            location=self.location,
            kind=kind,
            detail=detail or None,
        )

    async def refuse_copy(self) -> None:
        """End the stream of one of two machines that are the same agent."""
        await self.note(
            "copy_refused",
            f"Two machines deliver as this agent; the one at {self.context.peer()} was refused.",
        )
        raise StreamError(
            grpc.StatusCode.PERMISSION_DENIED,
            "Another machine delivers as this agent: one is a copy of the other. Leave the agent on"
            " one of them, and on the other run: vantage-agent join --replace",
        )

    async def close(self, close: delivery_pb2.Close) -> None:
        if self.source is not None and close.incarnation == self.source.incarnation:
            await self.answers.join()
            await self.fetch(
                "close",
                agent_id=self.peer.agent_id,
                incarnation=close.incarnation,
                connection=self.source.connection,
            )
            self.source = None

    async def heartbeat(self, heartbeat: delivery_pb2.Heartbeat, received_at_us: int) -> None:
        if self.peer.is_expired:
            raise StreamError(
                grpc.StatusCode.UNAUTHENTICATED, "The agent's certificate has expired."
            )
        await self.heard.put((heartbeat, received_at_us))

    async def note_heartbeats(self) -> None:
        """Note and answer one heartbeat after the other; batches behind them do not wait for it."""
        while True:
            heartbeat, received_at_us = await self.heard.get()
            await self.beat(heartbeat, backlog=heartbeat.backlog)
            if heartbeat.number:  # an agent older than the reply sends none, and would not know it
                reply = delivery_pb2.HeartbeatReply(
                    number=heartbeat.number, received_at_us=received_at_us, replied_at_us=now_us()
                )
                await self.send(CollectorMessage(heartbeat_reply=reply))
            self.heard.task_done()

    async def beat(self, heartbeat: delivery_pb2.Heartbeat, *, backlog: int | None) -> None:
        said = Said(
            self.peer.agent_id, self.version, backlog, self.running, self.clock.note(heartbeat)
        )
        seen = await self.heartbeats.note(said)
        if seen is None:
            raise revoked()
        # Heartbeats of a process that is gone may arrive late, but not for long.
        if not seen["is_superseded"]:
            self.superseded_since = None
        elif self.superseded_since is None:
            self.superseded_since = time.monotonic()
        elif time.monotonic() - self.superseded_since > COPY_SURE_S:
            await self.refuse_copy()
        if not seen["is_in_pool"]:  # it was silent for too long, and the others took over
            await self.fetch("join_pool", agent_id=self.peer.agent_id)

    async def answer(self) -> None:
        """Tell the agent what became of each batch, in order."""
        while True:
            batch = await self.answers.get()
            answer = await batch.answer
            match answer:
                case Stored(high_water):
                    await self.send(CollectorMessage(ack=delivery_pb2.Ack(high_water=high_water)))
                case Gap(high_water):
                    await self.send(CollectorMessage(gap=delivery_pb2.Gap(high_water=high_water)))
                case Fenced():
                    await self.send(CollectorMessage(fenced=delivery_pb2.Fenced()))
                    raise StreamDone
                case Revoked():
                    raise revoked()
            answered_at = time.perf_counter()
            metrics.ANSWERING.observe(answered_at - batch.replied_at)
            metrics.ALL.observe(answered_at - batch.received_at)
            self.answers.task_done()

    async def assign(self, subscription: Subscription) -> None:
        while True:
            await self.send(await subscription.messages.get())

    async def send(self, message: CollectorMessage) -> None:
        async with self.writing:  # gRPC takes one write at a time
            # Nor may one be cancelled that has begun: the stream's end would never be told.
            writing = asyncio.ensure_future(self.context.write(message))
            writing.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                await asyncio.wait({writing}, timeout=WRITE_S)
                raise
            except grpc.aio.InternalError as error:  # the connection broke: nobody to tell
                raise StreamDone from error
