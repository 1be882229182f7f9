"""One append-only file of frames, each with a length and a CRC-32 (zlib's) of what it holds.

The checksum also covers the incarnation and the sequence number, so a frame counts only where it
was written. That also finds where good frames go on after damaged ones. A file is never repaired.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

_HEADER = struct.Struct("<II")
MAX_PAYLOAD_BYTES = 512 * 1024
_CHUNK_BYTES = _HEADER.size + MAX_PAYLOAD_BYTES

# What a disk loses at once, at the least.
_BLOCK_BYTES = 4096
# How many frames in a row may be damaged for the next good one to be looked for.
_DAMAGED_MAX = 16
# The longest frame that is looked for: results take some hundred bytes.
_SOUGHT_BYTES = 64 * 1024

Sync = Callable[[int], None]


def sync_directory(directory: Path) -> None:
    """Make names created, renamed or removed in ``directory`` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checksum(incarnation: bytes, seq: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(b"%b%d" % (incarnation, seq)))


def _encode(incarnation: bytes, first_seq: int, payloads: Sequence[bytes]) -> bytes:
    parts = []
    for seq, payload in enumerate(payloads, first_seq):
        if not 0 < len(payload) <= MAX_PAYLOAD_BYTES:
            raise ValueError(f"a payload has {len(payload)} bytes, not 1 to {MAX_PAYLOAD_BYTES}")
        parts.append(_HEADER.pack(len(payload), _checksum(incarnation, seq, payload)))
        parts.append(payload)
    return b"".join(parts)


def _pread(descriptor: int, size: int, offset: int) -> bytes:
    """Read as ``os.pread`` does; of what the disk does not give any more, nothing."""
    try:
        return os.pread(descriptor, size, offset)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return b""


def _readable(path: Path) -> bytes:
    """Return all of a file: zeros, which are no frames, for what the disk does not give."""
    with path.open("rb", buffering=0) as file:
        size, data = os.fstat(file.fileno()).st_size, bytearray()
        while len(data) < size:
            data += _pread(file.fileno(), size, len(data)) or bytes(_BLOCK_BYTES)
    return bytes(data[:size])


class Segment:
    """The frames ``first_seq`` to ``last_seq`` of one incarnation; none when last < first.

    ``last_seq`` says what is durable; bytes after it in the file do not count.
    ``damaged``: the numbers found damaged so far, as (first, last).
    ``torn_bytes``: how many bytes after the last frame ``open_last`` found.
    ``acked_at``: when, by the monotonic clock, all of it was acknowledged; None: it is not.
    """

    def __init__(self, path: Path, incarnation: bytes, last_seq: int) -> None:
        self.path = path
        self.first_seq = int(path.name.partition(".")[0])
        self.last_seq = last_seq
        self.damaged: list[tuple[int, int]] = []
        self.torn_bytes = 0
        self.acked_at: float | None = None
        self._incarnation = incarnation
        self._descriptor: int | None = None
        # Where some frames begin: the first, those after damage, and the next to be read.
        self._anchors = {self.first_seq: 0}
        self._cursor = (self.first_seq, 0)
        self.size_bytes = path.stat().st_size

    @classmethod
    def create(cls, directory: Path, incarnation: bytes, first_seq: int) -> Segment:
        """Make an empty file to append to; its name is durable when this returns.

        Raises: OSError.
        """
        path = directory / f"{first_seq:020d}.seg"
        # Of an attempt that failed, on a disk that failed to forget it.
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        segment = cls(path, incarnation, first_seq - 1)
        segment._descriptor = descriptor
        try:
            sync_directory(directory)
        except OSError:  # the name must be free for the next attempt
            segment.discard()
            raise
        return segment

    @classmethod
    def open_last(cls, path: Path, incarnation: bytes) -> Segment:
        """Open the last file of an earlier incarnation: its last good frame is its last."""
        segment = cls(path, incarnation, last_seq=0)
        data = _readable(path)
        segment.last_seq = segment.first_seq - 1
        end = 0
        while True:
            for _, frame_end in segment._frames(data[end:], segment.last_seq + 1):
                segment.last_seq += 1
                segment._cursor = (segment.last_seq + 1, end + frame_end)
            end = segment._cursor[1]
            following = segment._next_good(data, end, segment.last_seq + 1)
            if following is None:
                break
            segment._skip_damage(segment.last_seq + 1, *following)
            segment.last_seq, end = following[0] - 1, following[1]
        segment.torn_bytes = len(data) - end
        return segment

    @property
    def is_damaged(self) -> bool:
        return bool(self.damaged)

    @property
    def age_s(self) -> float:
        """How long ago it was last written to, by the wall clock."""
        try:
            return time.time() - self.path.stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def append(self, payloads: Sequence[bytes], sync: Sync) -> None:
        """Write the next frames; they are durable when this returns.

        Raises: OSError; then this file must never be written again.
        """
        if self._descriptor is None:
            raise ValueError(f"{self.path} is closed")
        data = memoryview(_encode(self._incarnation, self.last_seq + 1, payloads))
        size = len(data)
        while data:
            data = data[os.write(self._descriptor, data) :]
        sync(self._descriptor)
        self.size_bytes += size
        self.last_seq += len(payloads)

    def close(self) -> None:
        """End appending."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)  # which it is even where this fails

    def read(self, seq: int, *, max_results: int, max_bytes: int) -> list[bytes]:
        """Return payloads from ``seq`` on, at most ``last_seq``; none: ``seq`` is damaged.

        Raises: OSError.
        """
        offset = self._offset_of(seq)
        if offset is None:
            return []
        payloads: list[bytes] = []
        room = max_bytes
        for payload, end in self._frames(self._chunk(offset), seq):
            room -= len(payload)
            if payloads and room < 0:
                break
            payloads.append(payload)
            self._cursor = (seq + len(payloads), offset + end)
            if len(payloads) == max_results or self._cursor[0] > self.last_seq:
                break
        if not payloads:
            self._find_damage(seq, offset)
        return payloads

    def damage_at(self, seq: int) -> int | None:
        """Return the last number of the damage that ``seq`` lies in; None: it is not known to."""
        return next((last for first, last in self.damaged if first <= seq <= last), None)

    def discard(self) -> None:
        """Remove the file, or set it aside if it is damaged: what it holds may still be wanted."""
        self.close()
        if self.is_damaged:
            with contextlib.suppress(FileNotFoundError):
                self.path.rename(self.path.with_name(self.path.name + ".damaged"))
        else:
            self.path.unlink(missing_ok=True)

    def _offset_of(self, seq: int) -> int | None:
        """Return where a frame begins; None: it is damaged."""
        at, offset = self._cursor
        if seq < at or any(at < anchor <= seq for anchor in self._anchors):
            at = max(anchor for anchor in self._anchors if anchor <= seq)
            offset = self._anchors[at]
        while at < seq:
            if self.damage_at(seq) is not None:
                return None
            start = offset
            for _, end in self._frames(self._chunk(start), at):
                at, offset = at + 1, start + end
                if at == seq:
                    break
            if offset == start:
                at, offset = self._find_damage(at, offset)
        self._cursor = (at, offset)
        return offset if at == seq and self.damage_at(seq) is None else None

    def _find_damage(self, seq: int, offset: int) -> tuple[int, int]:
        """Learn how far the damage reaches that begins at ``seq``; return the next good frame."""
        data = _readable(self.path)
        following = self._next_good(data, offset, seq)
        if following is None or following[0] > self.last_seq:
            following = (self.last_seq + 1, len(data))
        self._skip_damage(seq, *following)
        return following

    def _skip_damage(self, seq: int, next_seq: int, offset: int) -> None:
        self.damaged.append((seq, next_seq - 1))
        self._anchors[next_seq] = offset
        self._cursor = (next_seq, offset)

    def _chunk(self, offset: int) -> bytes:
        with self.path.open("rb", buffering=0) as file:
            return _pread(file.fileno(), _CHUNK_BYTES, offset)

    def _frames(self, data: bytes, seq: int) -> Iterator[tuple[bytes, int]]:
        """Yield each good frame's payload and where it ends, up to the first that is not good."""
        start = 0
        while len(data) - start >= _HEADER.size:
            length, checksum = _HEADER.unpack_from(data, start)
            start += _HEADER.size
            payload = data[start : start + length]
            start += length
            if start > len(data) or not length:
                return
            if _checksum(self._incarnation, seq, payload) != checksum:
                return
            yield payload, start
            seq += 1

    def _next_good(self, data: bytes, start: int, bad_seq: int) -> tuple[int, int] | None:
        """Find the first good frame after the bad one at ``start``: its number, where it begins.

        Garbage looks like one of so few numbers' frames once in some hundred million bytes. After
        a torn tail nothing good follows.
        """
        seqs = range(bad_seq + 1, bad_seq + _DAMAGED_MAX + 1)
        for offset in range(start + 1, len(data) - _HEADER.size):
            length, checksum = _HEADER.unpack_from(data, offset)
            begin = offset + _HEADER.size
            if not 0 < length <= min(_SOUGHT_BYTES, len(data) - begin):
                continue
            payload = data[begin : begin + length]
            for seq in seqs:
                if _checksum(self._incarnation, seq, payload) == checksum:
                    return seq, offset
        return None
