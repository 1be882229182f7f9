"""Due -> probe -> sink, in the probing thread's loop, which does nothing else."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from agent.capacity import Capacity, most_here
from agent.missed import Ledger, Missed, Reason
from agent.result import Assignment, Monitor, Result
from agent.schedule import MAX_DELAY_US, Clock, Schedule, Slot, SystemClock

# How long a stepped wall clock or a new assignment may go unnoticed.
LOOK_EVERY_S = 1.0
REPORT_EVERY_S = 10.0
GRACE_S = 5.0

log = structlog.get_logger()


class Probe(Protocol):
    """What ``agent.probe.Prober.probe`` is."""

    def __call__(self, monitor: Monitor, *, slot_at_us: int, delay_us: int) -> Awaitable[Result]:
        """Probe once; a target's failure is a result."""


class Runner:
    """Probes every assigned monitor at its slots until stopped.

    ``sink`` takes each result; ``is_ready``: whether it could take another. ``on_missed`` is told
    of every slot that was due and not run; ``missed`` counts them by reason. ``max_in_flight``:
    probes at one time; None: as many as the thread has time for.
    """

    def __init__(
        self,
        probe: Probe,
        sink: Callable[[Result], None],
        *,
        is_ready: Callable[[], bool] = lambda: True,
        on_missed: Callable[[Missed], None] = lambda missed: None,
        max_in_flight: int | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.missed: Counter[str] = Counter()
        self._probe = probe
        self._sink = sink
        self._is_ready = is_ready
        self._on_missed = on_missed
        self._ledger = Ledger()
        self.capacity = Capacity(max_in_flight, most=most_here())
        self._schedule = Schedule(clock or SystemClock())
        self._running: dict[int, asyncio.Task[None]] = {}
        self._extra: set[asyncio.Task[None]] = set()
        # Monitors whose probes met a bug, and which: told once each.
        self._faults: set[tuple[int, str]] = set()
        # What the run waits for; None: it has not begun.
        self._awake: asyncio.Future[None] | None = None
        self._is_stopping = False
        self._failure: Exception | None = None
        self._reported_at = time.monotonic()
        self._reported: Counter[str] = Counter()
        # What the module's has not been told until it is asked: how much is to be said.
        self._log = log.bind()

    @property
    def in_flight(self) -> int:
        """Probes that are running."""
        return len(self._running) + len(self._extra)

    def assign(self, assignments: Sequence[Assignment]) -> None:
        """Replace what is probed. Call in the loop's thread."""
        self._schedule.assign(assignments)
        self._wake()
        log.info("monitors_assigned", monitors=len(assignments))

    def run_now(self, monitor_id: int, requested_at_us: int) -> None:
        """Probe an assigned monitor besides its schedule. Call in the loop's thread."""
        monitor = self._schedule.monitor(monitor_id)
        if monitor is None or self._is_stopping or not self._is_ready():
            log.info("run_now_ignored", monitor_id=monitor_id)
            return
        task = asyncio.create_task(self._probe_extra(monitor, requested_at_us))
        self._extra.add(task)
        task.add_done_callback(self._extra.discard)

    def stop(self) -> None:
        """Make ``run`` return when the probes in flight are done, or soon. In the loop's thread."""
        self._is_stopping = True
        self._wake()

    async def run(self) -> None:
        """Probe until stopped. Raises: whatever a bug raised in the sink."""
        while not self._is_stopping and self._failure is None:
            slots = self._schedule.due()
            for missed in self._schedule.take_missed():
                self._note_missed(missed)
            for slot in slots:
                self._start(slot)
            self._tell_missed()
            self._report()
            await self._sleep()
        await self._finish()
        self._tell_missed(at_once=True)
        self._report(at_once=True)
        if self._failure is not None:
            raise self._failure

    def _start(self, slot: Slot) -> None:
        monitor_id = slot.assignment.monitor.id
        if slot.assignment.problem:
            self._miss(slot, Reason.MONITOR_UNUSABLE, slot.assignment.problem)
        elif monitor_id in self._running:
            self._miss(slot, Reason.OVERLAP)
        elif not self.capacity.admits(len(self._running), self._schedule.now_us() - slot.at_us):
            self._miss(slot, Reason.OVERLOADED, "too many probes were running")
        elif not self._is_ready():
            self._miss(slot, Reason.SPOOL_FULL)
        else:
            self._ledger.ran(monitor_id)
            self._running[monitor_id] = asyncio.create_task(self._probe_slot(slot))

    def _miss(self, slot: Slot, reason: Reason, detail: str = "") -> None:
        monitor, at_us = slot.assignment.monitor, slot.at_us
        self._note_missed(Missed(monitor.id, at_us, at_us, 1, monitor.interval_us, reason, detail))

    def _note_missed(self, missed: Missed) -> None:
        self.missed[missed.reason] += missed.slots
        self._ledger.add(missed, time.monotonic_ns() // 1000)

    async def _probe_slot(self, slot: Slot) -> None:
        delay_us = max(0, self._schedule.now_us() - slot.at_us)
        monitor = slot.assignment.monitor
        try:
            result = await self._probe(monitor, slot_at_us=slot.at_us, delay_us=delay_us)
        except asyncio.CancelledError:
            self._miss(slot, Reason.AGENT_STOPPED)
            raise
        except Exception as error:
            self._miss(slot, Reason.AGENT_FAULT, type(error).__name__)
            self._log_fault(monitor.id, error)
        else:
            self._take(result)
        finally:
            del self._running[monitor.id]

    async def _probe_extra(self, monitor: Monitor, requested_at_us: int) -> None:
        delay_us = min(max(0, self._schedule.now_us() - requested_at_us), MAX_DELAY_US)
        try:
            result = await self._probe(monitor, slot_at_us=requested_at_us, delay_us=delay_us)
        except Exception as error:
            self._log_fault(monitor.id, error)
        else:
            self._take(replace(result, is_extra=True))

    def _take(self, result: Result) -> None:
        try:
            self._sink(result)
            self._log.debug("probe_done", monitor_id=result.monitor_id, total_us=result.total_us)
        except Exception as error:  # it would lose every other result, too: this ends the run
            self._failure = self._failure or error
            self._wake()

    def _log_fault(self, monitor_id: int, error: Exception) -> None:
        """Tell of a bug that a monitor's target has found, once: the other monitors go on."""
        fault = monitor_id, type(error).__name__
        if fault not in self._faults:
            self._faults.add(fault)
            log.error("probe_fault", monitor_id=monitor_id, exc_info=error)

    async def _sleep(self) -> None:
        """Wait for the next slot, or for something to happen.

        Whole milliseconds, rounded up: the loop's timers know no others, and one that is early
        would have us look again and again until the slot is due.
        """
        wait_us = self._schedule.wait_us()
        wait_s = LOOK_EVERY_S if wait_us is None else min(LOOK_EVERY_S, -(-wait_us // 1000) / 1000)
        loop = asyncio.get_running_loop()
        self._awake = loop.create_future()
        timer = loop.call_later(wait_s, self._wake)
        await self._awake
        timer.cancel()

    def _wake(self) -> None:
        if self._awake is not None and not self._awake.done():
            self._awake.set_result(None)

    async def _finish(self) -> None:
        """Let what is in flight come to its end, but not for long."""
        in_flight = {*self._running.values(), *self._extra}
        if not in_flight:
            return
        _, late = await asyncio.wait(in_flight, timeout=GRACE_S)
        for task in late:
            task.cancel()
        if late:
            log.info("probes_cancelled", probes=len(late))
            await asyncio.wait(late)

    def _tell_missed(self, *, at_once: bool = False) -> None:
        for missed in self._ledger.take(None if at_once else time.monotonic_ns() // 1000):
            self._on_missed(missed)

    def _report(self, *, at_once: bool = False) -> None:
        """Say now and then how many slots were not run, and why."""
        if not at_once and time.monotonic() - self._reported_at < REPORT_EVERY_S:
            return
        news = self.missed - self._reported
        if news:
            log.warning("slots_missed", probes_at_most=self.capacity.limit, **news)
        self._reported_at, self._reported = time.monotonic(), self.missed.copy()
