"""How many results may be under way: as many as are acknowledged in good time.

When a thousand agents come back to one collector at once, each with a full spool, it cannot answer
everything that four batches of each would be before they give it up, and send it all again.
"""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST = 100
LEAST = 50
# Of the time after which the agent gives up. What is under way waits in the collector's memory.
GOOD_SHARE = 0.15


class Window:
    """``results``: how many may be under way, between LEAST and ``most``.

    Twice as many once one was acknowledged in good time that was sent since the last change; half
    as many once one was not.
    """

    def __init__(
        self, most: int, timeout_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.results = min(FIRST, most)
        self._most = most
        self._good_s = timeout_s * GOOD_SHARE
        self._clock = clock
        self._watched: tuple[int, float] | None = None
        """The number of a result that is under way, and since when."""

    def sent(self, seq: int) -> None:
        """Note that results up to ``seq`` are under way."""
        if self._watched is None:
            self._watched = seq, self._clock()

    def acked(self, seq: int) -> None:
        """Note that results up to ``seq`` are acknowledged."""
        if self._watched is None or seq < self._watched[0]:
            return
        took_s = self._clock() - self._watched[1]
        self._watched = None
        if took_s <= self._good_s:
            self.results = min(self.results * 2, self._most)
        else:
            self.results = max(self.results // 2, min(LEAST, self._most))
