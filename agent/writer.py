"""Makes results durable in a thread of its own: as many as have come, with one fdatasync."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

import structlog

from agent.spool import Dropped, Spool, SpoolError

GROUP_MAX = 5_000
BACKLOG_MAX = 10_000
RETRY_S = 1.0
# How long a full disk is waited for before undelivered results are dropped for new ones.
PATIENCE_S = 5.0
# A pause between two writes, unless many wait: each costs a third of a millisecond of processor
# time, however much is written, and takes the interpreter from the thread that probes.
GATHER_S = 0.1

log = structlog.get_logger()


class Writer:
    """Takes encoded results from any thread; ``on_durable`` is called in the writer's.

    ``declare`` says which slots were lost with what the spool had to drop, as encoded results: they
    are spooled in its place.
    """

    def __init__(
        self,
        spool: Spool,
        on_durable: Callable[[], None],
        declare: Callable[[Dropped], list[bytes]] = lambda dropped: [],
    ) -> None:
        self._spool = spool
        self._on_durable = on_durable
        self._declare = declare
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._closing = threading.Event()

    @property
    def is_ready(self) -> bool:
        """Whether more results should be made: the disk takes them."""
        return self._queue.qsize() < BACKLOG_MAX

    def put(self, payload: bytes) -> None:
        """Spool one encoded result, soon."""
        self._queue.put(payload)

    def close(self) -> None:
        """Make ``run`` return when everything put before is durable."""
        self._closing.set()
        self._queue.put(None)

    def run(self) -> None:
        """Write until closed: the thread's body."""
        is_open = True
        while is_open:
            group, is_open = self._next_group()
            if group:
                self._write(group)
                if len(group) < GROUP_MAX:
                    self._closing.wait(GATHER_S)

    def _next_group(self) -> tuple[list[bytes], bool]:
        """Wait for a result and take those that came with it; False: there are no more."""
        payload = self._queue.get()
        group: list[bytes] = []
        while payload is not None:
            group.append(payload)
            if len(group) == GROUP_MAX:
                return group, True
            try:
                payload = self._queue.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _write(self, group: list[bytes]) -> None:
        """Append, however often it takes; give up only when the process is to end."""
        began = time.monotonic()
        while True:
            for dropped in self._spool.make_room():
                group = self._declare(dropped) + group
            try:
                self._spool.append(group)
            except SpoolError as error:
                is_patient = time.monotonic() - began < PATIENCE_S
                if error.is_disk_full and (
                    dropped_for := self._spool.sacrifice(acked_only=is_patient)
                ):
                    group = self._declare(dropped_for) + group
                    continue
                log.error("spool_write_failed", results=len(group), reason=str(error))
                if self._closing.wait(RETRY_S):
                    log.error("results_lost", results=len(group), reason=str(error))
                    return
            else:
                self._on_durable()
                return
