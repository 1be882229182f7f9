"""Tells when one of a transfer's phases takes longer than the monitor allows it.

libcurl knows two limits, of all that comes before a connection is secured and of the whole. A phase
never ends before its limit, by the marks that the result will have; on an idle loop, within 2 ms.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from agent import timer
from agent.phases import Marks, last_phase, phases
from agent.result import Phases


class PhaseLimiter:
    """Watches one transfer, from when its first socket is ``opened``.

    ``look`` is to be called whenever it may have come on.

    ``expire`` is told in words which phase took too long, never from within one of libcurl's own
    callbacks.
    """

    def __init__(
        self,
        limits: Phases,
        *,
        is_tls: bool,
        marks: Callable[[], Marks],
        expire: Callable[[str], None],
    ) -> None:
        self._limits = limits
        self._is_tls = is_tls
        self._marks = marks
        self._expire = expire
        self._began_us = 0
        self._connected_us = 0
        self._timer: asyncio.TimerHandle | None = None
        self._phase = ""

    def opened(self) -> None:
        """Take note that a socket is about to be connected.

        With the first libcurl's own time has begun, which a busy loop may hold up for long.
        """
        if not self._began_us:
            self._began_us = time.monotonic_ns() // 1000
            self._enter("connect", 0)

    def connected(self) -> None:
        """Take note that libcurl knows TCP to be connected; its mark is set with that of TLS."""
        if self._is_tls and not self._connected_us:
            self._connected_us = self._now_us()

    def look(self) -> None:
        """Begin to time the phase that the transfer is in, if it is another one."""
        now_us = self._now_us()
        marks = self._marks()
        # libcurl's total is that of its last action; the phase that is open takes the rest.
        marks = replace(marks, connected=marks.connected or self._connected_us, total=now_us)
        split = phases(marks, dns_us=None, is_tls=self._is_tls)
        phase = last_phase(split)
        if phase != self._phase:
            self._enter(phase, now_us - getattr(split, f"{phase}_us"))

    def stop(self) -> None:
        """Forget the transfer."""
        if self._timer is not None:
            self._timer.cancel()

    def _enter(self, phase: str, entered_us: int) -> None:
        self.stop()
        self._phase = phase
        limit_us = getattr(self._limits, f"{phase}_us")
        if limit_us is not None:
            ends_ns = (self._began_us + entered_us + limit_us) * 1000
            self._timer = timer.call_at(ends_ns, self._on_time, phase, limit_us)

    def _on_time(self, phase: str, limit_us: int) -> None:
        self.look()
        if phase == self._phase:
            self._expire(f"the phase {phase} may take {limit_us / 1000:g} ms")

    def _now_us(self) -> int:
        return time.monotonic_ns() // 1000 - self._began_us
