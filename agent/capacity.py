"""How many probes may run at one time: as many as leave the probing thread on time.

Measured, not computed: what a probe costs differs a hundredfold between a plain request and a page
over a slow path, and between an idle machine and a busy one.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

LOOK_EVERY_S = 0.25
# A thread busier than this has no time left for events that come together: they wait for each
# other, and the wait is measured as if it were the target's.
BUSY = 0.9
LATE_US = 100_000

FIRST = 200
LEAST = 32
MOST = 10_000
# A TLS connection in flight takes 100 kB and, with its lookup, two descriptors.
PROBE_BYTES = 100_000
PROBE_FILES = 2
OTHER_FILES = 100


class Capacity:
    """The cap on probes at one time; ``fixed``: it stays at that. Probing thread only.

    It shrinks by a fifth a look while the thread is too busy or slots begin late, and grows by a
    tenth a look when slots were turned away although there was time for them.
    """

    def __init__(
        self,
        fixed: int | None = None,
        *,
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self.limit = fixed or min(FIRST, most)
        self._is_fixed = fixed is not None
        self._most = most
        self._clock, self._cpu = clock, cpu
        self._looked_at, self._cpu_at = clock(), cpu()
        self._running_most = self._late_us = 0
        self._was_short = False

    def admits(self, running: int, late_us: int) -> bool:
        """Decide whether another probe may begin beside ``running`` others, ``late_us`` late."""
        self._look()
        self._running_most = max(self._running_most, running)
        self._late_us = max(self._late_us, late_us)
        if running < self.limit:
            return True
        self._was_short = True
        return False

    def _look(self) -> None:
        now_s = self._clock()
        passed_s = now_s - self._looked_at
        if self._is_fixed or passed_s < LOOK_EVERY_S:
            return
        busy = (self._cpu() - self._cpu_at) / passed_s
        if busy > BUSY or self._late_us > LATE_US:
            peak = min(self.limit, self._running_most)
            self.limit = max(min(LEAST, self._most), peak * 4 // 5)
        elif self._was_short:
            self.limit = min(self._most, self.limit + max(1, self.limit // 10))
        self._looked_at, self._cpu_at = now_s, self._cpu()
        self._running_most = self._late_us = 0
        self._was_short = False


def most_here() -> int:
    """Return how many probes this machine has memory and descriptors for."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    by_files = (files - OTHER_FILES) // PROBE_FILES if files > 0 else MOST
    return max(1, min(MOST, by_files, free_bytes() // 4 // PROBE_BYTES))


def free_bytes(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Return how much memory there is to be had; enough for MOST where nothing says it."""
    with suppress(OSError):  # as where only processes can be seen
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return PROBE_BYTES * MOST * 4
