"""One append-only file of frames, each with a length and a CRC-32 (zlib's) of what it holds.

The checksum also covers the incarnation and the sequence number, so a frame counts only where it
was written. A file is never repaired: reading ends at the last good frame.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

_HEADER = struct.Struct("<II")
MAX_PAYLOAD_BYTES = 512 * 1024
_CHUNK_BYTES = _HEADER.size + MAX_PAYLOAD_BYTES

Sync = Callable[[int], None]


class FrameDamagedError(Exception):
    """A frame that was durable no longer matches its checksum, or is gone."""


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


class Segment:
    """The frames ``first_seq`` to ``last_seq`` of one incarnation; none when last < first.

    ``last_seq`` says what is durable; bytes after it in the file do not count.
    ``torn_bytes``: how many such bytes ``open_last`` found.
    """

    def __init__(self, path: Path, incarnation: bytes, last_seq: int) -> None:
        self.path = path
        self.first_seq = int(path.name.partition(".")[0])
        self.last_seq = last_seq
        self.is_damaged = False
        self.torn_bytes = 0
        self._incarnation = incarnation
        self._descriptor: int | None = None
        self._cursor = (self.first_seq, 0)
        self.size_bytes = path.stat().st_size

    @classmethod
    def create(cls, directory: Path, incarnation: bytes, first_seq: int) -> Segment:
        """Make an empty file to append to; its name is durable when this returns.

        Raises: OSError.
        """
        path = directory / f"{first_seq:020d}.seg"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        segment = cls(path, incarnation, first_seq - 1)
        segment._descriptor = descriptor
        sync_directory(directory)
        return segment

    @classmethod
    def open_last(cls, path: Path, incarnation: bytes) -> Segment:
        """Open the last file of an earlier incarnation: its last good frame is its last."""
        segment = cls(path, incarnation, last_seq=0)
        segment.last_seq = segment.first_seq - 1
        with path.open("rb") as file:
            data = file.read()
        end = 0
        for _, frame_end in segment._frames(data, segment.first_seq):
            segment.last_seq += 1
            end = frame_end
        segment.torn_bytes = len(data) - end
        segment.is_damaged = segment._continues_after_bad_frame(data, end)
        return segment

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
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def read(self, seq: int, *, max_results: int, max_bytes: int) -> list[bytes]:
        """Return payloads from ``seq`` on; at least one, at most ``last_seq``.

        Raises: FrameDamagedError if the frame ``seq`` is not good; OSError.
        """
        offset = self._offset_of(seq)
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
            raise FrameDamagedError(f"frame {seq} of {self.path} is damaged")
        return payloads

    def discard(self) -> None:
        """Remove the file, or set it aside if it is damaged: what it holds may still be wanted."""
        self.close()
        if self.is_damaged:
            self.path.rename(self.path.with_name(self.path.name + ".damaged"))
        else:
            self.path.unlink(missing_ok=True)

    def _offset_of(self, seq: int) -> int:
        if seq < self._cursor[0]:
            self._cursor = (self.first_seq, 0)
        at, offset = self._cursor
        while at < seq:
            start = offset
            for _, end in self._frames(self._chunk(start), at):
                at, offset = at + 1, start + end
                if at == seq:
                    break
            if offset == start:
                raise FrameDamagedError(f"frame {at} of {self.path} is damaged")
        self._cursor = (at, offset)
        return offset

    def _chunk(self, offset: int) -> bytes:
        with self.path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), _CHUNK_BYTES, offset)

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

    def _continues_after_bad_frame(self, data: bytes, start: int) -> bool:
        """Tell damage from a torn tail: after a torn tail nothing good follows."""
        if len(data) - start < _HEADER.size:
            return False
        length, _ = _HEADER.unpack_from(data, start)
        rest = data[start + _HEADER.size + length :]
        return next(self._frames(rest, self.last_seq + 2), None) is not None
