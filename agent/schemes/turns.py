"""Several addresses of one host, tried in turn where no connection tells which one answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import monotonic

from agent.guard import Address


def in_turn(addresses: Sequence[Address], timeout_us: int) -> Iterator[tuple[Address, float]]:
    """Yield each address with the seconds it may take: its share of what is left by then."""
    until = monotonic() + timeout_us / 1e6
    for number, address in enumerate(addresses):
        yield address, max(0.0, until - monotonic()) / (len(addresses) - number)
