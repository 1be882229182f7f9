"""Keeps a stream to the collector open for as long as the agent runs. Main thread's loop only."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable

import structlog

from agent.channel import open_channel
from agent.clock import Reading
from agent.errors import FatalError, TransientError
from agent.home import Home
from agent.spool import Spool, SpoolError
from agent.stream import DoubtError, FencedError, Pace, Stream
from vantage.v1 import delivery_pb2, delivery_pb2_grpc, monitor_pb2

EVENTS_MAX = 100

log = structlog.get_logger()


class Delivery:
    """Connects, delivers, and connects again; stops only when that cannot help."""

    def __init__(
        self,
        home: Home,
        spool: Spool,
        *,
        collector: str,
        version: str,
        on_assignments: Callable[[monitor_pb2.Assignments], None],
        on_run_now: Callable[[delivery_pb2.RunNow], None],
        pace: Pace | None = None,
    ) -> None:
        self._home = home
        self._spool = spool
        self._collector = collector
        self._version = version
        self._on_assignments = on_assignments
        self._on_run_now = on_run_now
        self._pace = pace or Pace()
        self._retry_s = self._pace.first_retry_s
        self._stream: Stream | None = None
        self._events: deque[delivery_pb2.Event] = deque(maxlen=EVENTS_MAX)

    @property
    def is_welcomed(self) -> bool:
        """Whether a collector takes results at this moment."""
        return self._stream is not None and self._stream.is_useful

    @property
    def clock_reading(self) -> Reading | None:
        """How this machine's clock stands to the collector's; None: no connection has told yet."""
        return self._stream.clock.reading() if self._stream is not None else None

    def tell(self, kind: str, detail: str) -> None:
        """Have whoever looks after this agent know. Call in the loop's thread."""
        self._events.append(delivery_pb2.Event(kind=kind, detail=detail))
        self.wake()

    def wake(self) -> None:
        """Look at the spool: something was appended. Call in the loop's thread."""
        if self._stream is not None:
            self._stream.wake()

    def reconnect(self) -> None:
        """Go on over a new connection, with the certificate that is stored now."""
        if self._stream is not None:
            self._stream.end()

    async def run(self) -> None:
        """Deliver for ever. Raises: FatalError."""
        while True:
            self._home.valid_identity(time.time())
            await asyncio.sleep(await self._connect())

    async def drain(self, limit_s: float) -> None:
        """Wait until everything in the spool is acknowledged, or the time is over."""
        deadline = time.monotonic() + limit_s
        while self._spool.backlog and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # once in a process's life: not worth an event

    async def _connect(self) -> float:
        """Deliver over one connection; return how long to wait before the next."""
        began_at = time.monotonic()
        retry_s, reason = 0.0, "stopped"
        async with open_channel(self._collector, self._home.credentials()) as channel:
            stream = self._stream = Stream(
                delivery_pb2_grpc.DeliveryStub(channel).Deliver(),
                self._spool,
                collector=self._collector,
                version=self._version,
                pace=self._pace,
                events=self._events,
                on_assignments=self._on_assignments,
                on_run_now=self._on_run_now,
            )
            try:
                await stream.run()
                reason = "renewed"
            except TransientError as error:
                retry_s, reason = self._handle_error(error, stream), str(error)
            except FatalError as error:
                reason = str(error)
                raise
            finally:
                self._stream = None
                log.info(
                    "connection_ended",
                    collector=self._collector,
                    reason=reason,
                    duration_s=round(time.monotonic() - began_at, 3),
                    batches=stream.batches,
                    results=stream.results,
                    backlog=self._spool.backlog,
                    retry_s=round(retry_s, 3),
                )
        return retry_s

    def _handle_error(self, error: TransientError, stream: Stream) -> float:
        """Return a pause with jitter; it doubles until a connection is welcomed again."""
        if isinstance(error, FencedError):
            self._spool.renew()
        elif isinstance(error, DoubtError):
            self._leave(error)
        elif stream.is_useful:
            self._retry_s = self._pace.first_retry_s
        pause_s = random.uniform(self._retry_s / 2, self._retry_s)  # noqa: S311 - jitter
        self._retry_s = min(self._retry_s * 2, self._pace.last_retry_s)
        return pause_s

    def _leave(self, error: DoubtError) -> None:
        """Take results out of an incarnation that a copy of this machine uses, too, or may have."""
        identity, undelivered = error.incarnation.id.hex(), error.incarnation.backlog
        try:
            results = self._spool.respool(error.incarnation, error.from_seq)
        except SpoolError as failure:  # the next connection tries again
            log.error("results_not_moved", incarnation=identity, reason=str(failure))
            return
        kind = "copy_detected" if error.is_copied else "copy_suspected"
        log.error(kind, incarnation=identity, results=results, reason=str(error))
        self.tell(
            kind,
            f"{error} {undelivered} undelivered results go under an incarnation of their own.",
        )
