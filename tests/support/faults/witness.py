"""What the agents made durable, seen from outside: a second name for every segment file.

An agent unlinks what is acknowledged; the frames stay under the witness's name. The frames are
read by code of the harness's own, so that a fault in the agent's reader cannot hide itself.
"""

from __future__ import annotations

import errno
import os
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

HEADER = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class Frame:
    """One durable result. ``place``: the name of its incarnation's directory."""

    place: str
    seq: int
    payload: bytes

    @property
    def incarnation(self) -> bytes:
        return bytes.fromhex(self.place.partition("-")[2])


@dataclass(frozen=True, slots=True)
class Unseen:
    """Results of one incarnation, the numbers ``first`` to ``last``, whose file nobody saw."""

    place: str
    first: int
    last: int

    @property
    def incarnation(self) -> bytes:
        return bytes.fromhex(self.place.partition("-")[2])


class Witness:
    """Watches one spool; ``look`` often, and always before a dead agent is started again."""

    def __init__(self, spool: Path, directory: Path) -> None:
        self.spool = spool
        self.directory = directory
        directory.mkdir(parents=True)
        self._seen: dict[Path, int] = {}
        self._looking = threading.Lock()

    def look(self) -> None:
        """Give every segment that is there a second name.

        A file that takes the place of an unlinked one of the same name holds the same results:
        the first could not be written to its end, on a full disk.
        """
        for segment in self._segments():
            with self._looking, _unless_gone_or_full():
                inode = segment.stat().st_ino
                if self._seen.get(segment) == inode:
                    continue
                link = self.directory / segment.relative_to(self.spool)
                link.parent.mkdir(exist_ok=True)
                link.unlink(missing_ok=True)
                os.link(segment, link)
                self._seen[segment] = inode

    def _segments(self) -> Iterator[Path]:
        """List them; an incarnation may be removed meanwhile."""
        for place in self.spool.glob("*-*"):
            with suppress(FileNotFoundError):
                yield from [path for path in place.iterdir() if path.suffix == ".seg"]

    def frames(self) -> Iterator[Frame]:
        """Yield every durable result that was seen, in the order in which it became so."""
        for place in sorted(self.directory.iterdir()):
            yield from _frames_of(place)

    def unseen(self) -> Iterator[Unseen]:
        """Yield what was made durable and dropped between two looks: on a full disk an agent
        drops within milliseconds what it has just written.
        """
        for place in sorted(self.directory.iterdir()):
            yield from _unseen_of(place)

    def last_seqs(self) -> dict[str, int]:
        """Return the number of each incarnation's last durable result, by its directory."""
        return {
            place.name: last
            for place in sorted(self.directory.iterdir())
            if (last := _last_seq_of(place))
        }

    def is_kept(self, frame: Frame) -> bool:
        """Tell whether the agent still has the file that holds a frame."""
        segments = (self.spool / frame.place).glob("*.seg*")
        firsts = sorted(int(path.name.partition(".")[0]) for path in segments)
        return bool(firsts) and firsts[0] <= frame.seq


@contextmanager
def _unless_gone_or_full() -> Iterator[None]:
    """Pass over a file acknowledged meanwhile; one without room for a second name waits."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOSPC):
            raise


def _last_seq_of(place: Path) -> int:
    """Return the number of an incarnation's last frame; 0: it has none."""
    for path in sorted(place.iterdir(), reverse=True):
        if count := sum(1 for _ in _payloads_of(path)):
            return int(path.stem) + count - 1
    return 0


def _frames_of(place: Path) -> Iterator[Frame]:
    for path, following in _files_of(place):
        for seq, payload in enumerate(_payloads_of(path), int(path.stem)):
            if seq == following:
                break
            yield Frame(place.name, seq, payload)


def _unseen_of(place: Path) -> Iterator[Unseen]:
    last = 0
    for frame in _frames_of(place):
        if frame.seq > last + 1:
            yield Unseen(place.name, last + 1, frame.seq - 1)
        last = frame.seq


def _files_of(place: Path) -> Iterator[tuple[Path, int]]:
    """Yield an incarnation's files, and where the next one begins; what is after that in a file
    was written once more, in the next.
    """
    paths = sorted(place.iterdir())
    limits = [int(path.stem) for path in paths] + [2**63]
    return zip(paths, limits[1:], strict=True)


def _payloads_of(path: Path) -> Iterator[bytes]:
    incarnation = bytes.fromhex(path.parent.name.partition("-")[2])
    return payloads_of(path.read_bytes(), incarnation, int(path.stem))


def payloads_of(data: bytes, incarnation: bytes, seq: int) -> Iterator[bytes]:
    """Read frames as the agent's docs state them, to the first that is torn."""
    start = 0
    while len(data) - start >= HEADER.size:
        length, checksum = HEADER.unpack_from(data, start)
        payload = data[start + HEADER.size : start + HEADER.size + length]
        if len(payload) < length or zlib.crc32(b"%b%d%b" % (incarnation, seq, payload)) != checksum:
            return
        yield payload
        start += HEADER.size + length
        seq += 1
