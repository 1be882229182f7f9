"""What was measured and is not yet acknowledged, on disk: `<order>-<incarnation>/<first seq>.seg`.

Knows bytes only. An incarnation is one start of the process: 16 random bytes, sequence numbers
from 1 without a gap. Those of earlier starts are sealed: never written again, delivered in order.
Bounded in size and age: what is acknowledged goes first, then the oldest that is not.
One thread appends and makes room, one other thread does everything else.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from agent.errors import TransientError
from agent.hole import Loss
from agent.incarnation import Incarnation
from agent.segment import Segment, Sync

SEGMENT_BYTES = 4 * 1024 * 1024
LIMIT_BYTES = 1024 * 1024 * 1024
SEGMENTS_MIN = 8

_DIRECTORY = re.compile(r"(\d{10})-([0-9a-f]{32})")

log = structlog.get_logger()


class SpoolError(TransientError):
    """Results could not be made durable; they are still to be appended.

    ``is_disk_full``: room would help.
    """

    def __init__(self, sentence: str, *, is_disk_full: bool) -> None:
        super().__init__(sentence)
        self.is_disk_full = is_disk_full


@dataclass(frozen=True, slots=True)
class Dropped:
    """A segment deleted to make room: the results lost with it, none if all were acknowledged."""

    reason: Loss
    payloads: list[bytes]


class Spool:
    """Every incarnation on disk and the running one.

    ``keep_s``: how long acknowledged results are kept, for a collector that loses them.
    ``max_age_s``: segments whose newest result is older are dropped, if not acknowledged; None:
    at no age.
    """

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        limit_bytes: int = LIMIT_BYTES,
        keep_s: float = 0.0,
        max_age_s: float | None = None,
        sync: Sync = os.fdatasync,
    ) -> None:
        self._directory = directory
        # Only whole segments are deleted: a small limit needs small ones, or it is never left.
        self._segment_bytes = min(segment_bytes, limit_bytes // SEGMENTS_MIN)
        self._limit_bytes = limit_bytes
        self._keep_s = keep_s
        self._max_age_s = max_age_s
        self._sync = sync
        self._appending = threading.Lock()
        self._sealed = [
            Incarnation.open_sealed(path, bytes.fromhex(match[2]))
            for path in sorted(directory.iterdir())
            if (match := _DIRECTORY.fullmatch(path.name)) and _has_results(path)
        ]
        self._closed: list[Incarnation] = []
        self._running = self._new_incarnation()
        self._measure()

    @property
    def running(self) -> Incarnation:
        """The incarnation that results are appended to."""
        return self._running

    @property
    def incarnations(self) -> list[Incarnation]:
        """In the order they are to be delivered; the running one is last."""
        return [*self._sealed, self._running]

    @property
    def backlog(self) -> int:
        """Durable results not yet acknowledged, of every incarnation."""
        return sum(incarnation.backlog for incarnation in self.incarnations)

    @property
    def is_full(self) -> bool:
        """Whether the limit is reached: something must be dropped for more."""
        return self.size_bytes >= self._limit_bytes

    def append(self, payloads: Sequence[bytes]) -> None:
        """Make ``payloads`` durable, all with one fdatasync.

        Raises: SpoolError; nothing is lost, append them again later.
        """
        with self._appending:
            try:
                self._running.append(payloads, self._segment_bytes, self._sync)
            except OSError as error:
                raise SpoolError(
                    f"Cannot write {len(payloads)} results to {self._directory}:"
                    f" {error.strerror or error}. Free space there, or make it writable.",
                    is_disk_full=error.errno in (errno.ENOSPC, errno.EDQUOT),
                ) from error
        self._measure()

    def read(
        self, incarnation: Incarnation, seq: int, *, max_results: int, max_bytes: int
    ) -> list[bytes]:
        """Return consecutive durable results of ``incarnation`` from ``seq`` on; empty: none yet,
        or a hole.
        """
        return incarnation.read(seq, max_results=max_results, max_bytes=max_bytes)

    def ack(self, incarnation: Incarnation, high_water: int) -> None:
        """Note what the collector has stored; what it stored long enough ago is deleted."""
        incarnation.ack(high_water)
        before = time.monotonic() - self._keep_s
        for each in [*self._closed, *self.incarnations]:
            each.discard_acked(before)
        for each in [each for each in self._closed if each.is_empty]:
            self._closed.remove(each)
            each.remove()
        self._measure()

    def make_room(self) -> list[Dropped]:
        """Drop the oldest segments until the spool is within its bounds; return what is lost."""
        dropped = []
        while self.is_full and (victim := self.sacrifice()):
            dropped.append(victim)
        while self._max_age_s is not None and (oldest := self._oldest(is_acked=False)):
            incarnation, segment = oldest
            if segment.age_s < self._max_age_s:
                break
            if victim := self._drop(incarnation, segment, Loss.SPOOL_EXPIRED):
                dropped.append(victim)
        return dropped

    def sacrifice(self, *, acked_only: bool = False) -> Dropped | None:
        """Drop the oldest acknowledged segment, or else the oldest; None: there is none."""
        for is_acked in (True,) if acked_only else (True, False):
            while oldest := self._oldest(is_acked=is_acked):
                if dropped := self._drop(*oldest, Loss.SPOOL_FULL):
                    return dropped
        return None

    def renew(self) -> None:
        """Seal the running incarnation and start another."""
        with self._appending:
            self._running.seal()
            self._sealed.append(self._running)
            self._running = self._new_incarnation()

    def close(self, incarnation: Incarnation) -> None:
        """Be done with a sealed incarnation that is wholly acknowledged."""
        self._sealed.remove(incarnation)
        if self._keep_s and not incarnation.is_empty:
            self._closed.append(incarnation)
        else:
            incarnation.remove()
        self._measure()

    def recheck(self) -> None:
        """Deliver the newest closed incarnation once more, where no other can tell of a restored
        database: nothing of them was ever acknowledged.
        """
        if self._closed and not any(incarnation.acked for incarnation in self.incarnations):
            self._sealed.insert(0, self._closed.pop())

    def reopen(self) -> bool:
        """Deliver again what is kept though it was acknowledged; tell whether there is any."""
        self._sealed = sorted([*self._closed, *self._sealed], key=lambda each: each.directory)
        self._closed, reopened = [], bool(self._closed)
        return reopened

    def respool(self, incarnation: Incarnation, from_seq: int) -> int:
        """Put what is kept of an incarnation from a number on under one of its own, as results that
        may be stored; return how many that are.

        Raises: SpoolError; then it is still where it was.
        """
        if incarnation is self._running:
            self.renew()
        with self._appending:
            copy = self._new_incarnation(may_be_stored=True)
            try:
                for _, payloads in incarnation.kept(from_seq):
                    copy.append(payloads, self._segment_bytes, self._sync)
            except OSError as error:
                copy.seal()
                copy.remove()
                raise SpoolError(
                    f"Cannot write to {self._directory}: {error.strerror or error}.",
                    is_disk_full=error.errno in (errno.ENOSPC, errno.EDQUOT),
                ) from error
            copy.seal()
        self._sealed[self._sealed.index(incarnation)] = copy
        incarnation.remove()
        self._measure()
        return copy.last_seq

    def _oldest(self, *, is_acked: bool) -> tuple[Incarnation, Segment] | None:
        for incarnation in [*self._closed, *self.incarnations]:
            if segment := incarnation.oldest(is_acked=is_acked):
                return incarnation, segment
        return None

    def _drop(self, incarnation: Incarnation, segment: Segment, reason: Loss) -> Dropped | None:
        payloads = incarnation.drop(segment, reason)
        self._measure()
        if payloads is None:
            return None
        if payloads:
            log.warning(
                "results_dropped",
                results=len(payloads),
                reason=reason.value,
                incarnation=incarnation.id.hex(),
            )
        return Dropped(reason, payloads)

    def _measure(self) -> None:
        every = [*self._closed, *self.incarnations]
        self.size_bytes = sum(incarnation.size_bytes for incarnation in every)

    def _new_incarnation(self, *, may_be_stored: bool = False) -> Incarnation:
        used = [each.directory.name for each in [*self._closed, *self._sealed]]
        used += [path.name for path in self._directory.iterdir()]
        orders = [int(match[1]) for name in used if (match := _DIRECTORY.fullmatch(name))]
        identity = secrets.token_bytes(16)
        name = f"{max(orders, default=0) + 1:010d}-{identity.hex()}"
        return Incarnation(self._directory / name, identity, may_be_stored=may_be_stored)


def _has_results(directory: Path) -> bool:
    """Whether there is something to deliver or to declare lost; an empty directory is removed."""
    names = [path.suffix for path in directory.iterdir()]
    if not names:
        directory.rmdir()
    return any(
        suffix in (".seg", f".{Loss.SPOOL_FULL}", f".{Loss.SPOOL_EXPIRED}") for suffix in names
    )
