"""Splits time into phases that follow one another: what libcurl's marks are for its transfers."""

from __future__ import annotations

from time import monotonic_ns


class Stopwatch:
    """Runs from when it is made, or from ``at_ns`` on; ``phase``: the one that is running."""

    def __init__(self, phase: str, at_ns: int | None = None) -> None:
        self.phase = phase
        self._began_ns = monotonic_ns() if at_ns is None else at_ns
        self._entered_us = 0
        self._spent: dict[str, int] = {}

    def enter(self, phase: str, at_ns: int | None = None) -> None:
        """End the running phase, now or at an earlier ``at_ns``, and begin another."""
        self._end(at_ns)
        self.phase = phase

    def stop(self, at_ns: int | None = None) -> dict[str, int]:
        """End the running phase; return microseconds of each, which sum exactly to the whole."""
        self._end(at_ns)
        return {f"{phase}_us": us for phase, us in self._spent.items()}

    def _end(self, at_ns: int | None) -> None:
        now_us = ((monotonic_ns() if at_ns is None else at_ns) - self._began_ns) // 1000
        now_us = max(now_us, self._entered_us)
        self._spent[self.phase] = now_us - self._entered_us
        self._entered_us = now_us
