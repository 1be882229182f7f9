"""Which handshakes have been told of: a certificate is recorded once per change, not per result.

What was told is told again after a day: a result may be lost with a full spool, and so it is known
within a day whether a certificate is still in use.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from agent.result import Handshake

AGAIN_S = 24 * 3600
# A target that shows another certificate to every probe must not fill the spool.
DAILY_MAX = 32

_Key = tuple[bytes, str, str]


class Sightings:
    """What was told within a day, by monitor. ``now_s``: a clock that never goes back."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._told: dict[int, dict[_Key, float]] = {}

    def news(self, monitor_id: int, handshake: Handshake | None) -> Handshake | None:
        """Return the handshake if it is to be told of now, and take it as told."""
        if handshake is None:
            return None
        now_s = self._now_s()
        told = self._told.setdefault(monitor_id, {})
        # The oldest come first, for what is told again goes to the end.
        while told and now_s - next(iter(told.values())) >= AGAIN_S:
            del told[next(iter(told))]
        key = (handshake.chain.sha256, handshake.version, handshake.cipher)
        if key in told or len(told) >= DAILY_MAX:
            return None
        told[key] = now_s
        return handshake
