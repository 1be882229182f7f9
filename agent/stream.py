"""Delivers the spool: one gRPC stream to a collector, results out, acks and assignments in.

Incarnations go in order, each after Hello and Welcome; only an ack deletes. A lost connection
costs nothing but time: the next Welcome says where to go on. The collector answers in the order
it was asked, so an Ack or Gap is always about the incarnation of the last Welcome.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import zlib
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import structlog

from agent.channel import explain
from agent.clock import ClockComparison
from agent.errors import TransientError
from agent.hole import Hole
from agent.incarnation import Incarnation
from agent.spool import Spool
from agent.window import Window
from vantage.v1 import delivery_pb2, monitor_pb2

log = structlog.get_logger()

Call = grpc.aio.StreamStreamCall[delivery_pb2.AgentMessage, delivery_pb2.CollectorMessage]


class FencedError(TransientError):
    """Someone else delivers results under this incarnation: it must not be used any more."""


class DoubtError(TransientError):
    """What the collector holds of an incarnation is not known to be what was made here: its results
    from ``from_seq`` on are to be delivered anew. ``is_copied``: it is known not to be.
    """

    def __init__(
        self, sentence: str, incarnation: Incarnation, from_seq: int, *, is_copied: bool
    ) -> None:
        super().__init__(sentence)
        self.incarnation = incarnation
        self.from_seq = from_seq
        self.is_copied = is_copied


@dataclass(frozen=True, slots=True)
class Pace:
    """How much at once, how long to wait."""

    batch_results: int = 1000
    batch_bytes: int = 512 * 1024
    batches_in_flight: int = 4
    heartbeat_s: float = 2.0
    ack_timeout_s: float = 15.0
    first_retry_s: float = 0.2
    last_retry_s: float = 5.0


class Stream:
    """One connection, from its first Hello to its end.

    ``is_useful``: the collector has welcomed an incarnation on it. ``events`` are told to it, each
    once, and taken off.
    """

    def __init__(
        self,
        call: Call,
        spool: Spool,
        *,
        collector: str,
        version: str,
        pace: Pace,
        events: deque[delivery_pb2.Event],
        on_assignments: Callable[[monitor_pb2.Assignments], None],
        on_run_now: Callable[[delivery_pb2.RunNow], None],
    ) -> None:
        self.is_useful = False
        self.batches = self.results = 0
        self.clock = ClockComparison()
        self._call = call
        self._spool = spool
        self._collector = collector
        self._version = version
        self._pace = pace
        self._events = events
        self._on_assignments = on_assignments
        self._on_run_now = on_run_now
        self._incarnation: Incarnation | None = None
        self._is_welcomed = self._takes_skips = False
        self._is_writing = False
        self._next_seq = 0
        self._in_flight: deque[int] = deque()
        self._window = Window(pace.batch_results * pace.batches_in_flight, pace.ack_timeout_s)
        self._heartbeat_at = self._progress_at = time.monotonic()
        self._awake = asyncio.Event()
        self._ending = asyncio.Event()

    def wake(self) -> None:
        """Look at the spool: something was appended."""
        self._awake.set()

    def end(self) -> None:
        """Make ``run`` return."""
        self._ending.set()

    async def run(self) -> None:
        """Deliver until the connection ends, or ``end`` is called.

        Raises: TransientError, FencedError among them; FatalError.
        """
        self._spool.recheck()
        try:
            await _first_of(self._receive(), self._send(), self._watch(), self._ended())
        except grpc.aio.AioRpcError as error:
            raise explain(error, self._collector) from error
        finally:
            self._call.cancel()
            if self._incarnation is not None:
                self._incarnation.rest()

    async def _receive(self) -> None:
        # Never under a timeout: cancelling a read ends the whole call.
        while isinstance(message := await self._call.read(), delivery_pb2.CollectorMessage):
            self._handle(message)
            self._awake.set()
        raise TransientError(f"The collector at {self._collector} ended the stream.")

    async def _send(self) -> None:
        while True:
            self._awake.clear()
            message = self._next_message()
            if message is None:
                await self._sleep()
                continue
            self._is_writing = True
            try:
                await self._call.write(message)
            except asyncio.InvalidStateError:
                # The call is over; _receive learns why.
                await asyncio.Event().wait()
            self._is_writing = False

    async def _ended(self) -> None:
        await self._ending.wait()

    async def _sleep(self) -> None:
        """Wait for something to send, or for the next heartbeat."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._heartbeat_at - time.monotonic()):
                await self._awake.wait()

    async def _watch(self) -> None:
        """End a connection whose collector owes an answer and gives none."""
        limit_s = self._pace.ack_timeout_s
        while time.monotonic() - self._progress_at < limit_s:
            await asyncio.sleep(limit_s / 20)
            if self._is_welcomed and not self._is_writing and not self._in_flight:
                self._progress_at = time.monotonic()
        raise TransientError(
            f"The collector at {self._collector} has acknowledged nothing for {limit_s:g} s."
        )

    def _next_message(self) -> delivery_pb2.AgentMessage | None:
        if self._incarnation is None:
            return self._hello()
        if time.monotonic() >= self._heartbeat_at:
            return self._heartbeat()
        if not self._is_welcomed:
            return None
        if self._events and self._takes_skips:
            return delivery_pb2.AgentMessage(event=self._events.popleft())
        if self._incarnation.is_delivered:
            return self._close(self._incarnation)
        return self._batch(self._incarnation)

    def _hello(self) -> delivery_pb2.AgentMessage:
        self._incarnation = self._spool.incarnations[0]
        self._is_welcomed = False
        self._in_flight.clear()
        hello = delivery_pb2.Hello(
            incarnation=self._incarnation.id,
            version=self._version,
            acked=self._incarnation.acked,
            is_running=not self._incarnation.is_sealed,
        )
        return delivery_pb2.AgentMessage(hello=hello)

    def _heartbeat(self) -> delivery_pb2.AgentMessage:
        self._heartbeat_at = time.monotonic() + self._pace.heartbeat_s
        reading = self.clock.reading()
        heartbeat = delivery_pb2.Heartbeat(
            sent_at_us=time.time_ns() // 1000,
            backlog=self._spool.backlog,
            number=self.clock.ask(),
            clock_offset_us=reading.offset_us if reading else None,
            clock_uncertainty_us=reading.uncertainty_us if reading else None,
        )
        return delivery_pb2.AgentMessage(heartbeat=heartbeat)

    def _batch(self, incarnation: Incarnation) -> delivery_pb2.AgentMessage | None:
        first_seq = self._next_seq
        room = self._window.results - (first_seq - 1 - incarnation.acked)
        whole = max(1, min(room, self._pace.batch_results))
        if self._in_flight and (
            room <= 0
            or len(self._in_flight) >= self._pace.batches_in_flight
            # A part of a batch waits for the answer to the one before: the slower that comes, the
            # more go together, and the less each costs the collector.
            or incarnation.last_seq - first_seq + 1 < whole
        ):
            return None
        incarnation.sent = first_seq  # what is about to be read must not be dropped meanwhile
        payloads = self._spool.read(
            incarnation, first_seq, max_results=whole, max_bytes=self._pace.batch_bytes
        )
        if not payloads:
            hole = incarnation.hole_at(first_seq)
            return self._skip(incarnation, hole) if hole else None
        self._under_way(incarnation, first_seq + len(payloads) - 1)
        self.batches += 1
        self.results += len(payloads)
        log.debug("batch_sent", first_seq=first_seq, results=len(payloads))
        batch = delivery_pb2.Batch(
            first_seq=first_seq, results=payloads, may_be_stored=incarnation.may_be_stored
        )
        return delivery_pb2.AgentMessage(batch=batch)

    def _skip(self, incarnation: Incarnation, hole: Hole) -> delivery_pb2.AgentMessage:
        """Declare results lost."""
        if not self._takes_skips:
            raise TransientError(
                f"Results {self._next_seq} to {hole.to_seq} are lost ({hole.reason}), and the"
                f" collector at {self._collector} is too old to be told. The others wait in the"
                " spool: update the collector."
            )
        skip = delivery_pb2.Skip(
            from_seq=self._next_seq, to_seq=hole.to_seq, reason=hole.reason.value
        )
        self._under_way(incarnation, hole.to_seq)
        log.warning(
            "results_skipped", from_seq=skip.from_seq, to_seq=skip.to_seq, reason=skip.reason
        )
        return delivery_pb2.AgentMessage(skip=skip)

    def _under_way(self, incarnation: Incarnation, last_seq: int) -> None:
        self._next_seq = last_seq + 1
        incarnation.sent = last_seq
        self._window.sent(last_seq)
        self._in_flight.append(last_seq)

    def _close(self, incarnation: Incarnation) -> delivery_pb2.AgentMessage:
        self._spool.close(incarnation)
        self._incarnation = None
        return delivery_pb2.AgentMessage(close=delivery_pb2.Close(incarnation=incarnation.id))

    def _handle(self, message: delivery_pb2.CollectorMessage) -> None:
        match message.WhichOneof("message"):
            case "welcome":
                self._welcome(message.welcome)
            case "ack":
                self._ack(message.ack.high_water)
            case "gap":
                self._gap(message.gap.high_water)
            case "fenced":
                raise FencedError("Another connection delivers this agent's results.")
            case "assignments":
                self._on_assignments(message.assignments)
            case "run_now":
                self._on_run_now(message.run_now)
            case "heartbeat_reply":
                reply = message.heartbeat_reply
                self.clock.answer(reply.number, reply.received_at_us, reply.replied_at_us)
            case _:
                log.warning("message_ignored", remedy="Update this agent: its collector is newer.")

    def _welcome(self, welcome: delivery_pb2.Welcome) -> None:
        incarnation, high_water = self._incarnation, welcome.high_water
        if incarnation is None or welcome.incarnation != incarnation.id:
            raise TransientError(
                f"The collector at {self._collector} welcomed an incarnation not announced to it."
            )
        if not incarnation.is_sealed and high_water > incarnation.last_seq:
            raise FencedError("The collector holds results of this incarnation not made here.")
        self._compare(incarnation, welcome)
        if high_water < incarnation.acked:
            self._resume_restored(incarnation, high_water)
        log.info(
            "incarnation_welcomed",
            collector=self._collector,
            incarnation=incarnation.id.hex(),
            high_water=high_water,
            backlog=self._spool.backlog,
        )
        self.is_useful = self._is_welcomed = True
        self._takes_skips = welcome.takes_skips
        self._next_seq = high_water + 1
        self._progress(incarnation, high_water)

    def _compare(self, incarnation: Incarnation, welcome: delivery_pb2.Welcome) -> None:
        """See that what the collector holds last is what was made here, as far as that is kept.

        Where nothing tells, what was not acknowledged is in doubt: a copy may have delivered others
        under its numbers. All that is kept goes anew then, acknowledged or not: a database that is
        restored may want it. But nothing that a collector would store twice.

        Raises: DoubtError.
        """
        high_water, number = welcome.high_water, f"{welcome.high_water} of {incarnation.id.hex()}"
        if not high_water:
            return
        kept = self._spool.read(incarnation, high_water, max_results=1, max_bytes=1)
        is_told = welcome.HasField("payload_crc32")
        from_seq = 1 if welcome.knows_stored else incarnation.acked + 1
        if kept and is_told:
            if zlib.crc32(kept[0]) != welcome.payload_crc32:
                sentence = f"The collector holds another result {number} than was made here."
                raise DoubtError(sentence, incarnation, from_seq, is_copied=True)
        elif welcome.knows_stored and (bool(kept) != is_told or high_water > incarnation.last_seq):
            unsure, _ = next(incarnation.kept(incarnation.acked + 1, max_results=1), (None, []))
            if unsure is not None and unsure <= high_water:
                sentence = f"The collector holds result {number}, which cannot be compared here."
                raise DoubtError(sentence, incarnation, from_seq, is_copied=False)

    def _resume_restored(self, incarnation: Incarnation, high_water: int) -> None:
        """Go back to what a database holds that was restored from a backup."""
        log.error(
            "database_restored",
            collector=self._collector,
            incarnation=incarnation.id.hex(),
            acked=incarnation.acked,
            high_water=high_water,
        )
        incarnation.unack(high_water)
        if self._spool.reopen():
            raise TransientError(
                f"The database behind {self._collector} was restored: what is kept of earlier"
                " incarnations is delivered again first."
            )

    def _ack(self, high_water: int) -> None:
        if self._incarnation is None or not self._is_welcomed:
            return
        if high_water >= self._next_seq:
            raise TransientError(
                f"The collector at {self._collector} acknowledged result {high_water},"
                f" but only {self._next_seq - 1} were sent."
            )
        if high_water > self._incarnation.acked:
            self._progress(self._incarnation, high_water)
        self._window.acked(high_water)
        while self._in_flight and self._in_flight[0] <= high_water:
            self._in_flight.popleft()

    def _gap(self, high_water: int) -> None:
        """Go back to what the collector lacks."""
        if self._incarnation is None or not self._is_welcomed:
            return
        log.warning("stream_rewound", sent=self._next_seq - 1, high_water=high_water)
        self._ack(high_water)
        self._in_flight.clear()
        self._next_seq = high_water + 1

    def _progress(self, incarnation: Incarnation, high_water: int) -> None:
        self._progress_at = time.monotonic()
        self._spool.ack(incarnation, high_water)


async def _first_of(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run all until one ends; cancel the others; end as it ended."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        # Several may fail at once; each error must be looked at, or asyncio complains in the log.
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:
        if task in done:
            task.result()
