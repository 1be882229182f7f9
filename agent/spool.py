"""What was measured and is not yet acknowledged, on disk: `<order>-<incarnation>/<first seq>.seg`.

Knows bytes only. An incarnation is one start of the process: 16 random bytes, sequence numbers
from 1 without a gap. Those of earlier starts are sealed: never written again, delivered in order,
removed when acknowledged. One thread appends, one other thread does everything else.
"""

from __future__ import annotations

import itertools
import os
import re
import secrets
import threading
from collections.abc import Sequence
from pathlib import Path

import structlog

from agent.errors import TransientError
from agent.segment import FrameDamagedError, Segment, Sync, sync_directory

SEGMENT_BYTES = 4 * 1024 * 1024
LIMIT_BYTES = 1024 * 1024 * 1024
SEGMENTS_MIN = 8

_DIRECTORY = re.compile(r"(\d{10})-([0-9a-f]{32})")

log = structlog.get_logger()


class SpoolError(TransientError):
    """Results could not be made durable; they are still to be appended."""


class Incarnation:
    """The results of one start of the process; read and acknowledged by one thread."""

    def __init__(self, directory: Path, identity: bytes) -> None:
        self.id = identity
        self.directory = directory
        self.is_sealed = False
        self._segments: list[Segment] = []
        self._active: Segment | None = None
        self._last_seq = 0
        self._acked = 0
        self._lock = threading.Lock()

    @classmethod
    def open_sealed(cls, directory: Path, identity: bytes) -> Incarnation:
        """Open what an earlier start of the process left behind."""
        incarnation = cls(directory, identity)
        incarnation.is_sealed = True
        paths = sorted(directory.glob("*.seg"))
        for path, following in itertools.pairwise(paths):
            last_seq = int(following.stem) - 1
            incarnation._segments.append(Segment(path, identity, last_seq))
        if paths:
            incarnation._segments.append(_open_last(paths[-1], identity))
            incarnation._last_seq = incarnation._segments[-1].last_seq
            incarnation._acked = incarnation._segments[0].first_seq - 1
        return incarnation

    @property
    def last_seq(self) -> int:
        """The last durable result that can be read; 0: none."""
        return self._last_seq

    @property
    def acked(self) -> int:
        """Everything up to here is stored by the collector, as far as is known."""
        return self._acked

    @property
    def first_kept(self) -> int:
        """The first result still on disk; one beyond the last if none is."""
        with self._lock:
            return self._segments[0].first_seq if self._segments else self._last_seq + 1

    @property
    def is_delivered(self) -> bool:
        """Whether nothing is left to deliver of it, now or later."""
        return self.is_sealed and self._acked >= self.last_seq

    @property
    def backlog(self) -> int:
        """Durable results not yet acknowledged."""
        return max(0, self.last_seq - self._acked)

    @property
    def size_bytes(self) -> int:
        """What it occupies on disk."""
        with self._lock:
            return sum(segment.size_bytes for segment in self._segments)

    def append(self, payloads: Sequence[bytes], segment_bytes: int, sync: Sync) -> None:
        """Make ``payloads`` durable as the next results.

        A file that failed once is never written again (its cached pages cannot be trusted): what
        was not yet durable goes to a new one. Raises: OSError if that fails too.
        """
        if self._active is not None and self._active.size_bytes >= segment_bytes:
            self._active.close()
            self._active = None
        try:
            self._write(payloads, sync)
        except OSError:
            if self._active is None:
                raise
            self._abandon()
            try:
                self._write(payloads, sync)
            except OSError:
                self._abandon()
                raise

    def read(self, seq: int, *, max_results: int, max_bytes: int) -> list[bytes]:
        """Return consecutive durable results from ``seq`` on; empty: there are none (yet)."""
        if seq > self.last_seq:
            return []
        with self._lock:
            segment = next(s for s in reversed(self._segments) if s.first_seq <= seq)
        try:
            return segment.read(seq, max_results=max_results, max_bytes=max_bytes)
        except FrameDamagedError:
            self._end_before(seq, segment)
            return []

    def ack(self, high_water: int) -> None:
        """Delete what the collector has stored: everything up to ``high_water``."""
        if high_water <= self._acked:
            return
        self._acked = high_water
        with self._lock:
            done = [s for s in self._segments if s.last_seq <= high_water and s is not self._active]
            if any(segment.is_damaged for segment in done):
                done = self._segments.copy()
            self._segments = [s for s in self._segments if s not in done]
        for segment in done:
            segment.discard()

    def seal(self) -> None:
        """End appending for ever."""
        self.is_sealed = True
        if self._active is not None:
            self._active.close()
            self._active = None

    def remove(self) -> None:
        """Delete the directory of a delivered incarnation, unless damaged files stay in it."""
        with self._lock:
            segments, self._segments = self._segments, []
        for segment in segments:
            segment.discard()
        if self.directory.exists() and not any(self.directory.iterdir()):
            self.directory.rmdir()

    def _write(self, payloads: Sequence[bytes], sync: Sync) -> None:
        if self._active is None:
            if not self.directory.exists():
                self.directory.mkdir(mode=0o700)
                sync_directory(self.directory.parent)
            segment = Segment.create(self.directory, self.id, self._last_seq + 1)
            with self._lock:
                self._segments.append(segment)
            self._active = segment
        self._active.append(payloads, sync)
        self._last_seq = self._active.last_seq

    def _abandon(self) -> None:
        segment, self._active = self._active, None
        if segment is None:
            return
        segment.close()
        log.warning("spool_segment_abandoned", file=str(segment.path), last_seq=segment.last_seq)
        if segment.last_seq < segment.first_seq:
            with self._lock:
                self._segments.remove(segment)
            segment.discard()

    def _end_before(self, seq: int, segment: Segment) -> None:
        self.seal()
        unreadable = self._last_seq - seq + 1
        self._last_seq = seq - 1
        with self._lock:
            later = [s for s in self._segments if s.first_seq > segment.first_seq]
        segment.last_seq = seq - 1
        for damaged in (segment, *later):
            damaged.is_damaged = True
        _log_damage(segment.path, seq, unreadable)


class Spool:
    """Every incarnation on disk and the running one."""

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        limit_bytes: int = LIMIT_BYTES,
        sync: Sync = os.fdatasync,
    ) -> None:
        self._directory = directory
        # Only whole segments are deleted: a small limit needs small ones, or it is never left.
        self._segment_bytes = min(segment_bytes, limit_bytes // SEGMENTS_MIN)
        self._limit_bytes = limit_bytes
        self._sync = sync
        self._appending = threading.Lock()
        self._sealed = [
            Incarnation.open_sealed(path, bytes.fromhex(match[2]))
            for path in sorted(directory.iterdir())
            if (match := _DIRECTORY.fullmatch(path.name)) and _has_segments(path)
        ]
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
        """Whether the limit is reached: then nothing new should be measured."""
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
                    f" {error.strerror or error}. Free space there, or make it writable."
                ) from error
        self._measure()

    def read(
        self, incarnation: Incarnation, seq: int, *, max_results: int, max_bytes: int
    ) -> list[bytes]:
        """Return consecutive durable results of ``incarnation`` from ``seq`` on; empty: none yet.

        A damaged frame ends the incarnation before it; the running one is then replaced.
        """
        payloads = incarnation.read(seq, max_results=max_results, max_bytes=max_bytes)
        if incarnation is self._running and incarnation.is_sealed:
            self.renew()
        return payloads

    def ack(self, incarnation: Incarnation, high_water: int) -> None:
        """Delete what the collector has stored."""
        incarnation.ack(high_water)
        self._measure()

    def renew(self) -> None:
        """Seal the running incarnation and start another."""
        with self._appending:
            self._running.seal()
            self._sealed.append(self._running)
            self._running = self._new_incarnation()

    def remove(self, incarnation: Incarnation) -> None:
        """Forget a sealed incarnation that is wholly acknowledged."""
        self._sealed.remove(incarnation)
        incarnation.remove()
        self._measure()

    def _measure(self) -> None:
        self.size_bytes = sum(incarnation.size_bytes for incarnation in self.incarnations)

    def _new_incarnation(self) -> Incarnation:
        orders = [int(i.directory.name.partition("-")[0]) for i in self._sealed]
        orders += [int(m[1]) for p in self._directory.iterdir() if (m := _DIRECTORY.match(p.name))]
        identity = secrets.token_bytes(16)
        name = f"{max(orders, default=0) + 1:010d}-{identity.hex()}"
        return Incarnation(self._directory / name, identity)


def _has_segments(directory: Path) -> bool:
    """Whether there is something to deliver; an empty directory is removed on the way."""
    names = [path.suffix for path in directory.iterdir()]
    if not names:
        directory.rmdir()
    return ".seg" in names


def _open_last(path: Path, identity: bytes) -> Segment:
    segment = Segment.open_last(path, identity)
    if segment.is_damaged:
        _log_damage(path, segment.last_seq + 1, None)
    elif segment.torn_bytes:
        log.warning(
            "spool_tail_sealed",
            file=str(path),
            last_seq=segment.last_seq,
            torn_bytes=segment.torn_bytes,
        )
    return segment


def _log_damage(path: Path, seq: int, unreadable: int | None) -> None:
    log.error(
        "spool_frame_damaged",
        file=str(path),
        seq=seq,
        undeliverable_results=unreadable,
        remedy="Check the disk. Results before this one are delivered; this file and those after"
        " it are then renamed to *.damaged and kept: delete them when nobody needs them.",
    )
