"""How much of a processor this process takes."""

from __future__ import annotations

import time
from collections.abc import Callable


class Occupation:
    """Tells how much of one processor was taken between two looks: 1.0: all of it."""

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        taken: Callable[[], float] = time.process_time,
    ) -> None:
        self._clock = clock
        self._taken = taken
        self._last = clock(), taken()

    def since_last(self) -> float:
        """Return the share since this was last asked, all threads' together."""
        (last_at, last_taken), self._last = self._last, (self._clock(), self._taken())
        at, taken = self._last
        return (taken - last_taken) / max(at - last_at, 1e-6)
