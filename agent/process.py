"""The running agent: one thread probes, one writes the spool, this one delivers.

A thread that ends by an exception is a bug: the process ends too, and is restarted by whatever
supervises it.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
import uvloop
from google.protobuf.message import DecodeError

from agent import enrolment, runner, wire
from agent.delivery import Delivery
from agent.errors import FatalError
from agent.home import Home
from agent.missed import Missed
from agent.probe import Prober
from agent.result import Result
from agent.runner import Runner
from agent.spool import LIMIT_BYTES, Spool
from agent.version import VERSION
from agent.writer import Writer
from vantage.v1 import delivery_pb2, monitor_pb2

if TYPE_CHECKING:
    from agent.metrics import Metrics

DRAIN_S = 3.0
# How long a thread that delivers may keep the interpreter from the one that probes.
SWITCH_S = 0.0005
# How long a start waits for the collector before it goes on with monitors that other agents of the
# location may have taken over.
ASK_FIRST_S = 5.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Settings:
    """What `vantage-agent run` was told. ``collector``: None: where the agent enrolled.

    ``max_in_flight``: None: as many as the probing thread has time for. ``metrics_listen``:
    None: nowhere.
    """

    home: Path
    collector: str | None = None
    allow_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    source_address: str | None = None
    trust_ca: Path | None = None
    max_in_flight: int | None = None
    spool_limit_bytes: int = LIMIT_BYTES
    metrics_listen: str | None = None
    spool_max_age_s: float | None = None
    keep_acknowledged_s: float = 0.0


def run(settings: Settings) -> None:
    """Be the agent until SIGTERM or SIGINT.

    Raises: FatalError; anything else is a bug.
    """
    home = Home(settings.home)
    home.identity()  # of a directory that is nobody's nothing is made, not even the lock's file
    with home.lock():
        identity = home.identity()
        identity_fields = {"agent_id": identity.agent_id, "location": identity.location}
        structlog.contextvars.bind_contextvars(**identity_fields)
        _keep_out_of_the_way()
        spool = Spool(
            home.claim_spool(identity.agent_id),
            limit_bytes=settings.spool_limit_bytes,
            max_age_s=settings.spool_max_age_s,
            keep_s=settings.keep_acknowledged_s,
        )
        uvloop.run(Agent(settings, home, spool, settings.collector or identity.collector).run())


def _keep_out_of_the_way() -> None:
    """Have the interpreter hold up probes for no longer than it must."""
    sys.setswitchinterval(SWITCH_S)
    # What is loaded stays: the collector of garbage would look through all of it for 30 ms.
    gc.collect()
    gc.freeze()


class Agent:
    """The three threads and how they end."""

    def __init__(self, settings: Settings, home: Home, spool: Spool, collector: str) -> None:
        self._settings = settings
        self._home = home
        self._collector = collector
        self._backlog = spool.backlog
        self._is_told = False
        self._unusable: dict[int, str] = {}
        self._writer = Writer(spool, on_durable=self._on_durable, declare=wire.encode_dropped)
        self._delivery = Delivery(
            home,
            spool,
            collector=collector,
            version=VERSION,
            on_assignments=self._on_assignments,
            on_run_now=self._on_run_now,
        )

        self._runner: Runner | None = None
        self._metrics = self._new_metrics(spool) if settings.metrics_listen else None

    def _new_metrics(self, spool: Spool) -> Metrics:
        from agent.metrics import Metrics

        return Metrics(self._home, spool, self._delivery, lambda: self._runner)

    async def run(self) -> None:
        """Run until a signal, or until something fails; then spool and deliver what there is."""
        if self._metrics is None or self._settings.metrics_listen is None:
            await self._run()
            return
        stop = await asyncio.to_thread(self._metrics.serve, self._settings.metrics_listen)
        try:
            await self._run()
        finally:
            await asyncio.to_thread(stop)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._probing: asyncio.Future[tuple[asyncio.AbstractEventLoop, Runner]]
        self._probing = self._loop.create_future()
        stopping = self._stopping_signal()
        writing = self._thread("spool", self._writer.run)
        probed = self._thread("probe", self._probe)
        await asyncio.wait((self._probing, probed), return_when=asyncio.FIRST_COMPLETED)
        if probed.done():
            probed.result()
        log.info("agent_started", collector=self._collector, backlog=self._backlog)
        delivering = asyncio.create_task(self._delivery.run())
        renewing = asyncio.create_task(
            enrolment.keep_renewed(self._home, self._collector, self._delivery.reconnect)
        )
        everything: set[asyncio.Future[None]] = {stopping, writing, probed, delivering, renewing}
        ended, _ = await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
        log.info("agent_stopping")
        await self._stop_threads(probed, writing)
        draining = asyncio.create_task(self._delivery.drain(DRAIN_S))
        await asyncio.wait({draining, delivering}, return_when=asyncio.FIRST_COMPLETED)
        for task in (draining, delivering, renewing):
            task.cancel()
        await asyncio.wait({draining, delivering, renewing})
        for future in ended:
            future.result()
        log.info("agent_stopped")

    def _stopping_signal(self) -> asyncio.Future[None]:
        """Return what the first SIGTERM or SIGINT completes; a second one kills."""
        stopping: asyncio.Future[None] = self._loop.create_future()

        def stop() -> None:
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.remove_signal_handler(number)
            if not stopping.done():
                stopping.set_result(None)

        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, stop)
        return stopping

    def _thread(self, name: str, body: Callable[[], None]) -> asyncio.Future[None]:
        """Run ``body`` in a thread; the future ends as it ends."""
        future: asyncio.Future[None] = self._loop.create_future()
        context = contextvars.copy_context()

        def settle(error: BaseException | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

        def main() -> None:
            error: BaseException | None = None
            try:
                context.run(body)
            except BaseException as raised:  # handed to the main thread
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
                self._loop.call_soon_threadsafe(settle, error)

        threading.Thread(target=main, name=name, daemon=True).start()
        return future

    def _probe(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop_runner:
            loop_runner.run(self._probe_until_stopped())

    async def _probe_until_stopped(self) -> None:
        settings = self._settings
        prober = Prober(
            allow_networks=settings.allow_networks,
            source_address=settings.source_address,
            trust_ca=settings.trust_ca,
        )
        probing = Runner(
            prober.probe,
            self._on_result,
            is_ready=lambda: self._writer.is_ready,
            on_missed=self._on_missed,
            max_in_flight=settings.max_in_flight,
        )
        self._runner = probing
        probe_loop = asyncio.get_running_loop()
        remembered = self._remembered_assignments()
        if remembered.is_shared:
            probe_loop.call_later(ASK_FIRST_S, self._assign_untold, probing, remembered)
        else:
            self._assign_untold(probing, remembered)
        started = (probe_loop, probing)
        self._loop.call_soon_threadsafe(self._probing.set_result, started)
        try:
            await probing.run()
        finally:
            await prober.close()

    async def _stop_threads(
        self, probed: asyncio.Future[None], writing: asyncio.Future[None]
    ) -> None:
        """Let probes come to their end, then write what they found."""
        if not probed.done() and self._probing.done():
            probe_loop, probing = self._probing.result()
            probe_loop.call_soon_threadsafe(probing.stop)
            await asyncio.wait({probed}, timeout=runner.GRACE_S + 2)
        self._writer.close()
        await asyncio.wait({writing}, timeout=DRAIN_S)

    def _on_result(self, result: Result) -> None:
        """Called in the probing thread."""
        self._writer.put(wire.encode(result))
        if self._metrics is not None:
            self._metrics.count(result)

    def _on_missed(self, missed: Missed) -> None:
        """Called in the probing thread."""
        self._writer.put(wire.encode_missed(missed))

    def _on_durable(self) -> None:
        """Called in the writing thread."""
        self._loop.call_soon_threadsafe(self._delivery.wake)

    def _on_assignments(self, message: monitor_pb2.Assignments) -> None:
        assigned = wire.assignments(message)
        self._tell_unusable(assigned.unusable)
        try:
            self._home.store_assignments(wire.without_secrets(message).SerializeToString())
        except FatalError as error:  # a full disk, maybe: measuring goes on
            log.error("assignments_not_stored", reason=str(error))
        self._is_told = True
        probe_loop, probing = self._probing.result()
        with contextlib.suppress(RuntimeError):  # the loop is closed: the agent is stopping
            probe_loop.call_soon_threadsafe(probing.assign, assigned.assignments)

    def _tell_unusable(self, unusable: dict[int, str]) -> None:
        """Tell of monitors that cannot be probed here, each time that there are others."""
        if unusable and unusable != self._unusable:
            told = "; ".join(f"monitor {number}: {why}" for number, why in unusable.items())
            log.error("monitors_unusable", monitors=len(unusable), reason=told)
            self._delivery.tell("monitor_unusable", told)
        self._unusable = unusable

    def _on_run_now(self, message: delivery_pb2.RunNow) -> None:
        probe_loop, probing = self._probing.result()
        with contextlib.suppress(RuntimeError):  # the loop is closed: the agent is stopping
            probe_loop.call_soon_threadsafe(
                probing.run_now, message.monitor_id, message.requested_at_us
            )

    def _remembered_assignments(self) -> monitor_pb2.Assignments:
        """Return what was to be probed when the process last ran."""
        try:
            return monitor_pb2.Assignments.FromString(self._home.assignments())
        except DecodeError as error:
            log.error("assignments_unreadable", reason=str(error))
            return monitor_pb2.Assignments()

    def _assign_untold(self, probing: Runner, remembered: monitor_pb2.Assignments) -> None:
        """Probe what was remembered, unless the collector has said more. In the probing thread."""
        if not self._is_told:
            probing.assign(wire.assignments(remembered).assignments)
