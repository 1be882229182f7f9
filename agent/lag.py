"""How long the event loop was blocked while a probe ran.

libcurl stamps a phase when its code runs, not when the packet arrives: a loop that was busy for
5 ms may have made any phase up to 5 ms longer than it was.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter_ns

_TICK_US = 10_000
# Blocks remembered, none shorter than one after it: enough for any probe's length.
_BLOCKS_MAX = 1000

# Below this the measuring itself (the loop's timers have millisecond granularity) is what is seen.
_FLOOR_US = 5_000
_SHARE = 10


class LagWatcher:
    """Ticks on the loop while any probe is in flight, and remembers how late each tick came."""

    def __init__(self) -> None:
        self._in_flight = 0
        # (when it was seen, how long it was); one that a later one outdid tells nothing any more.
        self._blocks: deque[tuple[int, int]] = deque(maxlen=_BLOCKS_MAX)
        self._timer: asyncio.TimerHandle | None = None
        self._due_us = 0

    def begin(self) -> int:
        """Watch for a probe that begins; return what ``end`` needs."""
        now_us = _now_us()
        self._in_flight += 1
        if self._timer is None:
            self._arm(now_us)
        return now_us

    def end(self, began_us: int) -> int:
        """Return the longest block since the probe began, in microseconds."""
        now_us = _now_us()
        # A tick that is overdue right now has not been seen by anyone yet.
        worst_us = max(0, now_us - max(self._due_us, began_us))
        for at_us, block_us in reversed(self._blocks):
            if at_us <= began_us:
                break
            # A block may have begun before the probe did.
            worst_us = max(worst_us, min(block_us, at_us - began_us))
        self._in_flight -= 1
        if not self._in_flight and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._blocks.clear()
        return worst_us

    def _arm(self, now_us: int) -> None:
        self._due_us = now_us + _TICK_US
        self._timer = asyncio.get_running_loop().call_later(_TICK_US / 1e6, self._tick)

    def _tick(self) -> None:
        now_us = _now_us()
        late_us = now_us - self._due_us
        blocks = self._blocks
        while blocks and blocks[-1][1] <= late_us:
            blocks.pop()
        blocks.append((now_us, late_us))
        self._arm(now_us)


def bound_us(total_us: int) -> int:
    """Return by how much a phase may be wrong in a result that is not suspect."""
    return max(_FLOOR_US, total_us // _SHARE)


def is_suspect(lag_us: int, total_us: int) -> bool:
    """Tell whether a block of ``lag_us`` spoils a measurement of ``total_us``.

    A block moves any one mark by at most its own length. More than a tenth of the total is too
    much; under 5 ms it is what a scheduler does to every process, and is always let pass.
    """
    return lag_us > bound_us(total_us)


def _now_us() -> int:
    return perf_counter_ns() // 1000
