"""Results that are easy to tell apart, and what a spool gives back of them."""

from __future__ import annotations

from pathlib import Path

from agent.incarnation import Incarnation
from agent.spool import Spool

ALL = {"max_results": 10**6, "max_bytes": 10**9}


def payloads(first: int, last: int) -> list[bytes]:
    return [b"result %d " % seq + b"x" * (seq % 50) for seq in range(first, last + 1)]


def drain(spool: Spool, incarnation: Incarnation, seq: int = 1) -> list[bytes]:
    """Everything that can be read from ``seq`` on."""
    found, holes = drain_with_holes(spool, incarnation, seq)
    assert holes == []
    return found


def drain_with_holes(
    spool: Spool, incarnation: Incarnation, seq: int = 1
) -> tuple[list[bytes], list[tuple[int, int, str]]]:
    """The same, and the holes in between."""
    found: list[bytes] = []
    holes: list[tuple[int, int, str]] = []
    while True:
        if part := spool.read(incarnation, seq, **ALL):
            found += part
            seq += len(part)
        elif hole := incarnation.hole_at(seq):
            holes.append((seq, hole.to_seq, hole.reason.value))
            seq = hole.to_seq + 1
        else:
            assert seq == incarnation.last_seq + 1
            return found, holes


def files(directory: Path, pattern: str = "*/*.seg") -> list[Path]:
    return sorted(directory.glob(pattern))
