"""How long the probing thread cannot have seen that a socket was ready.

A thread that sleeps in epoll is woken when something is ready; one that computes, or that the
machine keeps waiting for a processor, finds out when it looks. So what is seen now became ready
at most as long ago as the thread has not slept since it last looked.

Source: clock_gettime(2); schedstat in linux/Documentation/scheduler/sched-stats.rst.
"""

from __future__ import annotations

import os
from time import thread_time_ns

# Not worth asking the kernel about: it takes 5 us to answer, and after a handshake 15. Well under
# what is always let pass (agent.lag).
_SHORT_NS = 2_000_000


class Stalls:
    """Asked by the probing thread, which also makes it."""

    def __init__(self) -> None:
        try:
            self._schedstat: int | None = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        except OSError:  # a kernel without it: then only what the thread computes is known
            self._schedstat = None
        self._looked_ns = self._asked_ns = 0
        self._cpu_ns = thread_time_ns()
        self._waited_ns = self._waited()

    def looked(self, now_ns: int) -> int:
        """Note that the sockets are looked at; return for how long they cannot have been seen."""
        passed_ns = now_ns - self._looked_ns
        self._looked_ns = now_ns
        if now_ns - self._asked_ns < _SHORT_NS:
            return passed_ns
        self._asked_ns = now_ns
        computed_ns = self._computed()
        if passed_ns < _SHORT_NS:
            return passed_ns
        return min(passed_ns, computed_ns + self._kept_waiting())

    def acted(self, passed_ns: int) -> int:
        """Return for how much of an action that took so long the thread did not compute."""
        return 0 if passed_ns < _SHORT_NS else max(0, passed_ns - self._computed())

    def awake(self) -> int:
        """Nanoseconds not slept since this was last asked."""
        return self._computed() + self._kept_waiting()

    def close(self) -> None:
        """Let go of the kernel's file."""
        if self._schedstat is not None:
            os.close(self._schedstat)
            self._schedstat = None

    def _computed(self) -> int:
        cpu_ns, before_ns = thread_time_ns(), self._cpu_ns
        self._cpu_ns = cpu_ns
        return cpu_ns - before_ns

    def _kept_waiting(self) -> int:
        """Nanoseconds spent waiting for a processor since this was last asked."""
        waited_ns, before_ns = self._waited(), self._waited_ns
        self._waited_ns = waited_ns
        return waited_ns - before_ns

    def _waited(self) -> int:
        if self._schedstat is None:
            return 0
        return int(os.pread(self._schedstat, 64, 0).split()[1])
