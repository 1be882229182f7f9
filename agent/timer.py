"""A timer that is never early.

uvloop's are, by up to a millisecond: it counts whole ones, of a clock that it has rounded down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic_ns
from typing import Any


def call_at(at_ns: int, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
    """Call back once the monotonic clock shows ``at_ns``, and on an idle loop within 2 ms."""
    left_ms = max(0, -(-(at_ns - monotonic_ns()) // 1_000_000))
    return asyncio.get_running_loop().call_later((left_ms + 1) / 1000, callback, *args)
