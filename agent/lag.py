"""How long the event loop was blocked while a probe ran.

libcurl stamps a phase when its code runs, not when the packet arrives: a loop that was busy for
5 ms may have made any phase up to 5 ms longer than it was.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from time import perf_counter_ns
from typing import NamedTuple

from agent.stalls import Stalls

_TICK_US = 10_000
# The loop's timers count milliseconds, and it is asked for its timers once in a slice of
# agent.multi: what is shorter is no block.
_GRAIN_US = 2_000
_BLOCKS_MAX = 10_000

_FLOOR_US = 5_000
_SHARE = 10


class Lag(NamedTuple):
    """The longest block during a probe, in microseconds.

    ``asleep_us``: that the thread neither computed nor waited for a processor: a disk kept it, or
    another thread the interpreter.
    """

    blocked_us: int
    asleep_us: int


class LagWatcher:
    """Ticks on the loop while any probe is in flight, and remembers how late each tick came."""

    def __init__(self) -> None:
        self._in_flight = 0
        # When each block was seen, how long it was, how much of it asleep.
        self._blocks: deque[tuple[int, int, int]] = deque(maxlen=_BLOCKS_MAX)
        self._stalls = Stalls()
        self._timer: asyncio.TimerHandle | None = None
        self._due_us = 0

    def begin(self) -> int:
        """Watch for a probe that begins; return what ``end`` needs."""
        now_us = _now_us()
        self._in_flight += 1
        if self._timer is None:
            self._stalls.awake()
            self._arm(now_us)
        return now_us

    def end(self, began_us: int) -> Lag:
        """Return the longest block since the probe began."""
        # A tick that is overdue right now has not been seen by anyone yet.
        now_us = _now_us()
        if now_us - self._due_us > _GRAIN_US:
            self._note(now_us)
        blocked_us = asleep_us = 0
        for at_us, each_us, slept_us in reversed(self._blocks):
            # A block may have begun before the probe did.
            within_us = at_us - began_us
            if within_us <= 0:
                break
            blocked_us = max(blocked_us, min(each_us, within_us))
            asleep_us = max(asleep_us, min(slept_us, within_us))
        self._in_flight -= 1
        if not self._in_flight and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._blocks.clear()
        return Lag(blocked_us, asleep_us)

    def close(self) -> None:
        """Let go of the kernel's account."""
        self._stalls.close()

    def _arm(self, now_us: int) -> None:
        self._due_us = now_us + _TICK_US
        self._timer = asyncio.get_running_loop().call_later(_TICK_US / 1e6, self._tick)

    def _tick(self) -> None:
        now_us = _now_us()
        self._note(now_us)
        self._stalls.awake()
        self._arm(now_us)

    def _note(self, now_us: int) -> None:
        late_us = now_us - self._due_us
        if late_us > _GRAIN_US:
            self._due_us = now_us
            asleep_us = max(0, late_us - self._stalls.awake() // 1000)
            # Whoever sees this block needs none before it that was no longer in any way.
            while self._blocks and late_us >= self._blocks[-1][1]:
                if asleep_us < self._blocks[-1][2]:
                    break
                self._blocks.pop()
            self._blocks.append((now_us, late_us, asleep_us))


def held_up_us(lag: Lag, doubts: Sequence[int | None]) -> int:
    """Return by how much a phase of a result may be too long, at most.

    A block of the loop may well have held up none of a probe's events. Where those are known, as
    they are of an only exchange by ``doubts``, just what the thread slept of it is added to that.
    """
    if len(doubts) == 1 and doubts[0] is not None:
        return max(lag.asleep_us, doubts[0])
    return max(lag.blocked_us, *(each or 0 for each in doubts))


def bound_us(total_us: int) -> int:
    """Return by how much a phase may be wrong in a result that is not suspect."""
    return max(_FLOOR_US, total_us // _SHARE)


def is_suspect(lag_us: int, total_us: int) -> bool:
    """Tell whether being held up for ``lag_us`` spoils a measurement of ``total_us``.

    It moves any one mark by at most its own length. More than a tenth of the total is too
    much; under 5 ms it is what a scheduler does to every process, and is always let pass.
    """
    return lag_us > bound_us(total_us)


def _now_us() -> int:
    return perf_counter_ns() // 1000
