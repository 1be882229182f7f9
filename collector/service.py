"""The Delivery RPC: results in, answers and assignments out, one stream per agent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from uuid import UUID

import grpc
import psycopg
import structlog
from psycopg.rows import DictRow
from psycopg_pool import PoolTimeout

from collector import db, ingest, metrics
from collector.assignments import Assignments
from collector.errors import TransientError, first
from collector.heartbeats import Heartbeats
from collector.peer import Peer
from collector.stream import Context, Stream, StreamDone, StreamError, revoked
from vantage.v1 import delivery_pb2_grpc
from vantage.v1.delivery_pb2 import AgentMessage

log = structlog.get_logger()

# An agent whose connection died without a word opens a second; more are mistakes.
STREAMS_MAX = 2
STOPPING = "This collector is stopping. Another one, or its next start, goes on."


class Delivery(delivery_pb2_grpc.DeliveryServicer):
    """Serves the streams of every agent that is connected to this collector."""

    def __init__(
        self,
        pool: db.Pool,
        committer: ingest.Committer,
        assignments: Assignments,
        heartbeats: Heartbeats,
        *,
        clock_bound_s: float = 1.0,
    ) -> None:
        self.pool = pool
        self.committer = committer
        self.assignments = assignments
        self.heartbeats = heartbeats
        self.clock_bound_us = round(clock_bound_s * 1e6)
        self.streams: defaultdict[UUID, list[Stream]] = defaultdict(list)
        self.is_draining = False

    # The generated signature knows only servicers that yield; gRPC also takes ones that write.
    async def Deliver(  # type: ignore[override]
        self, requests: AsyncIterator[AgentMessage], context: Context
    ) -> None:
        peer = await Peer.of(context)
        failure: StreamError | None = None
        with structlog.contextvars.bound_contextvars(agent_id=str(peer.agent_id)):
            try:
                agent = await self.agent(peer)
                # Before its assignments are looked up: they shall not be empty for a moment.
                await db.fetch_one(self.pool, "delivery", "join_pool", agent_id=peer.agent_id)
                with self.assignments.subscribe(peer.agent_id, agent["location"]) as subscription:
                    stream = Stream(
                        self.pool,
                        self.committer,
                        self.heartbeats,
                        peer,
                        agent["location"],
                        context,
                        clock_bound_us=self.clock_bound_us,
                    )
                    log.info("stream_opened", location=agent["location"], peer=context.peer())
                    with self.counted(stream), metrics.STREAMS_OPEN.track_inprogress():
                        await stream.serve(subscription)
            except* StreamDone:
                pass
            except* StreamError as errors:
                failure = first(errors)
            except* (psycopg.OperationalError, PoolTimeout, TransientError):
                failure = StreamError(
                    grpc.StatusCode.UNAVAILABLE, "The database does not answer. Try again."
                )
            except* db.UNDEFINED as errors:
                failure = StreamError(grpc.StatusCode.UNAVAILABLE, db.unsuitable(first(errors)))
            except* Exception:
                log.exception("stream_failed")
                failure = StreamError(
                    grpc.StatusCode.INTERNAL,
                    "It cannot serve this agent; the collector's log says why. Try again.",
                )
            finally:
                log.info("stream_closed", reason=str(failure) if failure else "done")
        if failure is not None:
            await context.abort(failure.code, str(failure))

    @contextmanager
    def counted(self, stream: Stream) -> Iterator[None]:
        """Keep a stream where ``drain`` finds it; end its agent's oldest if it has too many."""
        streams = self.streams[stream.peer.agent_id]
        streams.append(stream)
        if self.is_draining:
            stream.leave(STOPPING)
        for old in streams[:-STREAMS_MAX]:
            old.leave("This agent has opened newer streams.")
        try:
            yield
        finally:
            streams.remove(stream)
            if not streams:
                self.streams.pop(stream.peer.agent_id, None)

    def drain(self) -> None:
        """Read nothing more, answer what was read, and end every stream: agents go elsewhere."""
        self.is_draining = True
        for streams in self.streams.values():
            for stream in streams:
                stream.leave(STOPPING)

    async def agent(self, peer: Peer) -> DictRow:
        row = await db.fetch_one(self.pool, "delivery", "agent", agent_id=peer.agent_id)
        if row is None:
            raise StreamError(
                grpc.StatusCode.PERMISSION_DENIED,
                "This database does not know the agent. Enrol it anew: "
                "vantage-agent join --replace",
            )
        if row["revoked_at"] is not None:
            raise revoked()
        return row
