"""The results of one start of the process: numbered from 1, in segments, some of them lost.

One thread appends and makes room, one other reads and acknowledges.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

from agent.hole import Hole, Loss
from agent.segment import Segment, Sync, sync_directory

REMEMBER_EVERY_S = 1.0
RUN_RESULTS = 10_000
RUN_BYTES = 8 * 1024 * 1024
_ACKED = "acked"
_MAY_BE_STORED = "may_be_stored"

log = structlog.get_logger()


class Incarnation:
    """``is_sealed``: never appended to again. ``sent``: what is under way to a collector, which
    must not be dropped; 0: nothing. ``may_be_stored``: any of its results may have been delivered
    under another incarnation, too.
    """

    def __init__(self, directory: Path, identity: bytes, *, may_be_stored: bool = False) -> None:
        self.id = identity
        self.directory = directory
        self.may_be_stored = may_be_stored
        self.is_sealed = False
        self.sent = 0
        self._segments: list[Segment] = []
        self._dropped: list[Hole] = []
        self._active: Segment | None = None
        self._last_seq = 0
        self._acked = 0
        self._lock = threading.Lock()
        self._remembered_at = float("-inf")

    @classmethod
    def open_sealed(cls, directory: Path, identity: bytes) -> Incarnation:
        """Open what an earlier start of the process left behind."""
        mark = directory / _MAY_BE_STORED
        incarnation = cls(directory, identity, may_be_stored=mark.exists())
        incarnation.is_sealed = True
        holes = incarnation._dropped = Hole.all_of(directory)
        paths = [path for path in sorted(directory.glob("*.seg")) if not _finish_drop(path, holes)]
        starts = sorted([int(path.stem) for path in paths] + [hole.from_seq for hole in holes])
        for path in paths:
            following = next((start for start in starts if start > int(path.stem)), None)
            incarnation._segments.append(
                _open_last(path, identity)
                if following is None
                else Segment(path, identity, following - 1)
            )
        ends = [s.last_seq for s in incarnation._segments] + [hole.to_seq for hole in holes]
        incarnation._last_seq = max(ends, default=0)
        incarnation._acked = max(min(starts, default=1) - 1, incarnation._remembered_acked())
        return incarnation

    @property
    def last_seq(self) -> int:
        """The last durable result; 0: none."""
        return self._last_seq

    @property
    def acked(self) -> int:
        """Everything up to here is stored by the collector, as far as is known."""
        return self._acked

    @property
    def is_delivered(self) -> bool:
        """Whether nothing is left to deliver of it, now or later."""
        return self.is_sealed and self._acked >= self.last_seq

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept of it."""
        return not self._segments and not self._dropped

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
        """Return consecutive durable results from ``seq`` on; empty: there are none (yet), or
        there is a hole.
        """
        segment = self._segment_of(seq)
        if segment is None:
            return []
        try:
            payloads = segment.read(seq, max_results=max_results, max_bytes=max_bytes)
        except FileNotFoundError:  # dropped this moment, or taken away
            segment.damaged.append((seq, segment.last_seq))
            return []
        if not payloads:
            _log_damage(segment, seq)
        return payloads

    def kept(
        self, from_seq: int, *, max_results: int = RUN_RESULTS, max_bytes: int = RUN_BYTES
    ) -> Iterator[tuple[int, list[bytes]]]:
        """Yield what can be read from a number on, run by run, each with its first number."""
        seq = from_seq
        while seq <= self._last_seq:
            if payloads := self.read(seq, max_results=max_results, max_bytes=max_bytes):
                yield seq, payloads
                seq += len(payloads)
            elif hole := self.hole_at(seq):
                seq = hole.to_seq + 1

    def hole_at(self, seq: int) -> Hole | None:
        """Return the hole that ``seq`` lies in; None: it can be read, or is not there yet."""
        if seq > self._last_seq:
            return None
        with self._lock:
            holes = [hole for hole in self._dropped if hole.from_seq <= seq <= hole.to_seq]
            starts = [s.first_seq for s in self._segments] + [h.from_seq for h in self._dropped]
        if holes:
            return holes[0]
        segment = self._segment_of(seq)
        if segment is None:
            following = min((start for start in starts if start > seq), default=self._last_seq + 1)
            return Hole(seq, following - 1, Loss.DATABASE_RESTORED)
        damage_end = segment.damage_at(seq)
        return None if damage_end is None else Hole(seq, damage_end, Loss.SPOOL_DAMAGED)

    def ack(self, high_water: int) -> None:
        """Note what the collector has stored: everything up to ``high_water``."""
        if high_water < self._acked:
            return
        self._acked = high_water
        now = time.monotonic()
        with self._lock:
            for segment in self._segments:
                if segment.last_seq <= high_water and segment is not self._active:
                    segment.acked_at = segment.acked_at or now
            declared = [hole for hole in self._dropped if hole.to_seq <= high_water]
            self._dropped = [hole for hole in self._dropped if hole not in declared]
        for hole in declared:
            hole.forget()
        if now - self._remembered_at >= REMEMBER_EVERY_S:
            self._remember_acked()
            self._remembered_at = now

    def rest(self) -> None:
        """Note that nothing is under way any more."""
        self.sent = 0
        if self._acked:
            self._remember_acked()

    def unack(self, high_water: int) -> None:
        """Take back what was acknowledged beyond ``high_water``: it is to be sent again."""
        self._acked = high_water
        with self._lock:
            for segment in self._segments:
                if segment.last_seq > high_water:
                    segment.acked_at = None

    def discard_acked(self, before: float) -> None:
        """Delete the segments that were acknowledged before a moment of the monotonic clock."""
        with self._lock:
            old = [s for s in self._segments if s.acked_at is not None and s.acked_at <= before]
            self._segments = [s for s in self._segments if s not in old]
        for segment in old:
            segment.discard()

    def oldest(self, *, is_acked: bool) -> Segment | None:
        """Return the oldest segment that may go, of those acknowledged or of the others."""
        with self._lock:
            for segment in self._segments:
                if segment is self._active or (segment.acked_at is not None) != is_acked:
                    continue
                if is_acked or segment.first_seq > self.sent:
                    return segment
        return None

    def drop(self, segment: Segment, reason: Loss) -> list[bytes] | None:
        """Delete a segment; return its results that were not acknowledged, now lost. None: it is
        under way since it was chosen, or gone.

        The loss is marked before the file goes, unless the disk has no room for the mark.
        """
        with self._lock:
            is_acked = segment.acked_at is not None
            if segment not in self._segments or not (is_acked or segment.first_seq > self.sent):
                return None
            seq = max(segment.first_seq, self._acked + 1)
            is_lost = not is_acked and seq <= segment.last_seq
            if is_lost:
                self._dig(segment, reason)
            self._segments = [s for s in self._segments if s is not segment]
        lost = self._payloads(segment, seq) if is_lost else []
        segment.damaged.clear()  # nothing is set aside: room is wanted
        segment.discard()
        return lost

    def seal(self) -> None:
        """End appending for ever."""
        self.is_sealed = True
        if self._active is not None:
            self._active.close()
            self._active = None

    def remove(self) -> None:
        """Delete everything of it; damaged files stay, set aside."""
        with self._lock:
            segments, self._segments = self._segments, []
            holes, self._dropped = self._dropped, []
        for segment in segments:
            segment.discard()
        for hole in holes:
            hole.forget()
        for note in (_ACKED, _MAY_BE_STORED):
            (self.directory / note).unlink(missing_ok=True)
        if self.directory.exists() and not any(self.directory.iterdir()):
            self.directory.rmdir()

    def _remember_acked(self) -> None:
        """Note on disk how far it is acknowledged: the collector knows better, but a copy of this
        machine must not deliver all that is kept as if it were its own.

        Always as long, and written over: to empty a file first takes the file system's journal, and
        whoever calls would wait for that.
        """
        line = b"%020d" % self._acked
        with contextlib.suppress(OSError):  # a full disk: it is a note, no more
            file = os.open(self.directory / _ACKED, os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(file, "wb", buffering=0) as note:
                note.write(b"%b %010d\n" % (line, zlib.crc32(line)))

    def _remembered_acked(self) -> int:
        try:
            line, _, checksum = (self.directory / _ACKED).read_bytes().partition(b" ")
        except OSError:
            return 0
        is_sound = checksum.strip().isdigit() and int(checksum) == zlib.crc32(line)
        return int(line) if is_sound else 0

    def _segment_of(self, seq: int) -> Segment | None:
        with self._lock:
            return next(
                (s for s in reversed(self._segments) if s.first_seq <= seq <= s.last_seq), None
            )

    def _payloads(self, segment: Segment, seq: int) -> list[bytes]:
        """Read what can be read of a segment from ``seq`` on."""
        payloads: list[bytes] = []
        while seq <= segment.last_seq:
            part = segment.read(seq, max_results=10_000, max_bytes=1 << 30)
            damage_end = segment.damage_at(seq) if not part else None
            payloads += part
            seq = seq + len(part) if damage_end is None else damage_end + 1
        return payloads

    def _dig(self, segment: Segment, reason: Loss) -> None:
        """Make the hole that a segment leaves, or let the one before it grow. Under the lock."""
        first_seq, last_seq = segment.first_seq, segment.last_seq
        before = next((h for h in self._dropped if h.to_seq == first_seq - 1), None)
        try:
            if before is not None:
                hole = before.extended(last_seq)
            else:
                hole = Hole.marked(self.directory, first_seq, last_seq, reason)
        except OSError as error:
            log.warning("spool_loss_unmarked", file=str(segment.path), reason=str(error))
            hole = Hole(first_seq, last_seq, reason)
        self._dropped = [h for h in self._dropped if h is not before] + [hole]

    def _write(self, payloads: Sequence[bytes], sync: Sync) -> None:
        if self._active is None:
            if not self.directory.exists():
                self._make_directory()
            segment = Segment.create(self.directory, self.id, self._last_seq + 1)
            with self._lock:
                self._segments.append(segment)
            self._active = segment
        self._active.append(payloads, sync)
        self._last_seq = self._active.last_seq

    def _make_directory(self) -> None:
        self.directory.mkdir(mode=0o700)
        mark = self.directory / _MAY_BE_STORED
        try:
            if self.may_be_stored:
                mark.touch(mode=0o600)
            sync_directory(self.directory.parent)
        except OSError:  # what is not there to stay is not there
            mark.unlink(missing_ok=True)
            self.directory.rmdir()
            raise

    def _abandon(self) -> None:
        segment, self._active = self._active, None
        if segment is None:
            return
        segment.close()
        log.warning("spool_segment_abandoned", file=str(segment.path), last_seq=segment.last_seq)
        if segment.last_seq < segment.first_seq:
            with self._lock:
                self._segments = [s for s in self._segments if s is not segment]
            segment.discard()


def _finish_drop(path: Path, holes: Sequence[Hole]) -> bool:
    """Delete a segment that was dropped when the process died; tell whether it was."""
    first_seq = int(path.stem)
    if not any(hole.from_seq <= first_seq <= hole.to_seq for hole in holes):
        return False
    path.unlink()
    return True


def _open_last(path: Path, identity: bytes) -> Segment:
    segment = Segment.open_last(path, identity)
    for first_seq, _ in segment.damaged:
        _log_damage(segment, first_seq)
    if segment.torn_bytes:
        log.warning(
            "spool_tail_sealed",
            file=str(path),
            last_seq=segment.last_seq,
            torn_bytes=segment.torn_bytes,
        )
    return segment


def _log_damage(segment: Segment, seq: int) -> None:
    last_seq = segment.damage_at(seq)
    if last_seq is None:
        return
    log.error(
        "spool_frame_damaged",
        file=str(segment.path),
        seq=seq,
        undeliverable_results=last_seq - seq + 1,
        remedy="Check the disk. The results before and after are delivered; the file is then"
        " renamed to *.damaged and kept: delete it when nobody needs it.",
    )
