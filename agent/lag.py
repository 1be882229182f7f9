"""How long the event loop was blocked while a probe ran.

libcurl stamps a phase when its code runs, not when the packet arrives: a loop that was busy for
5 ms may have made any phase up to 5 ms longer than it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter_ns

_TICK_US = 10_000

# Below this the measuring itself (the loop's timers have millisecond granularity) is what is seen.
_FLOOR_US = 5_000
_SHARE = 10


class Watch:
    """One probe's view: ``worst_us``, the longest block seen since it began."""

    __slots__ = ("worst_us",)

    def __init__(self) -> None:
        self.worst_us = 0


class LagWatcher:
    """Ticks on the loop while any probe is in flight, and sees how late each tick comes."""

    def __init__(self) -> None:
        self._watches: set[Watch] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._due_us = 0

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        watch = Watch()
        self._watches.add(watch)
        if self._timer is None:
            self._arm(_now_us())
        try:
            yield watch
        finally:
            # A tick that is overdue right now has not been seen by anyone yet.
            watch.worst_us = max(watch.worst_us, _now_us() - self._due_us)
            self._watches.discard(watch)
            if not self._watches and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _arm(self, now_us: int) -> None:
        self._due_us = now_us + _TICK_US
        self._timer = asyncio.get_running_loop().call_later(_TICK_US / 1e6, self._tick)

    def _tick(self) -> None:
        now_us = _now_us()
        late_us = now_us - self._due_us
        for watch in self._watches:
            if late_us > watch.worst_us:
                watch.worst_us = late_us
        self._arm(now_us)


def is_suspect(lag_us: int, total_us: int) -> bool:
    """Tell whether a block of ``lag_us`` spoils a measurement of ``total_us``.

    A block moves any one mark by at most its own length. More than a tenth of the total is too
    much; under 5 ms it is what a scheduler does to every process, and is always let pass.
    """
    return lag_us > max(_FLOOR_US, total_us // _SHARE)


def _now_us() -> int:
    return perf_counter_ns() // 1000
