"""Several addresses of one host, tried in turn where no connection tells which one answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import monotonic_ns

from agent.guard import Address


def in_turn(addresses: Sequence[Address], timeout_us: int) -> Iterator[tuple[Address, int]]:
    """Yield each address with until when it may take, which is its share of what is left by then.

    In nanoseconds of the monotonic clock.
    """
    until_ns = monotonic_ns() + timeout_us * 1000
    for number, address in enumerate(addresses):
        now_ns = monotonic_ns()
        yield address, now_ns + max(0, until_ns - now_ns) // (len(addresses) - number)
