"""Something that happened on a connection, and how late the agent is to act on it.

The kernel dates what a TCP connection brings (SO_TIMESTAMPNS); what it holds that nobody has read
can be peeked at. Of segments that it has joined it keeps the date of the last. So what is peeked at
came no later than it is dated, and exactly then if it was a single segment.

Where nothing is dated (a connection made or shut, QUIC, an event that a kernel without stamps
brought) there is when the engine saw the event, and how long that cannot have seen it.

Source: socket(7); linux/Documentation/networking/timestamping.rst.
"""

from __future__ import annotations

import mmap
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

from agent import tcp_info

# Not worth asking the kernel twice about.
LONG_NS = 1_000_000

_SO_TIMESTAMPNS = 35
_STAMP = struct.Struct("@ll")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_STAMP.size)
# MSG_TRUNC: nothing is copied, but all of it is looked through. So this is only ever address space.
_PEEK = socket.MSG_PEEK | socket.MSG_TRUNC | socket.MSG_DONTWAIT
_ALL = [mmap.mmap(-1, 1024 * 1024)]
_FIRST = [bytearray(1)]


class Connection:
    """A socket of libcurl's; ``duplicate``: ours of the same socket; ``descriptor``: libcurl's.

    ``observer`` is to be taken away when its transfer is over: libcurl may be closing the
    connection for a while yet, and its handle be used for another.
    """

    __slots__ = (
        "descriptor",
        "duplicate",
        "is_armed",
        "made_ns",
        "observer",
        "segments",
        "wanted",
    )

    def __init__(self, duplicate: Any, observer: Any) -> None:
        self.duplicate = duplicate
        self.descriptor = -1
        self.observer = observer
        # The events libcurl waits for; 0: the socket is not in the epoll.
        self.wanted = 0
        self.is_armed = False
        self.made_ns = time.monotonic_ns()
        # How many segments with data had come when that was last asked.
        self.segments = 0


def stamp(opened: Any) -> None:
    """Have the kernel date what this socket receives."""
    opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


class Event:
    """What is ready on ``connection``; instants are nanoseconds of the monotonic clock.

    ``is_data``: there is something to read, and nothing wrong. (To peek at a connection that was
    reset would take the error away from libcurl.)
    ``seen_ns``: when that was seen, and ``unseen_ns``: how long it may have been so before, at
    most. ``oldest_ns`` and ``newest_ns``: when the first and the last of what there is to read had
    come, at the latest; ``doubt_ns``: how long before that the first may have come, at most.
    ``is_shut``: nothing more will come. ``began_ns`` and ``acted_ns``: when libcurl began to act on
    it, and had; ``kept_ns``: for how much of that the thread was kept from the processor.
    ``is_end``: with it a transfer ended.
    """

    __slots__ = (
        "_segments",
        "acted_ns",
        "began_ns",
        "connection",
        "doubt_ns",
        "is_dated",
        "is_end",
        "is_shut",
        "kept_ns",
        "newest_ns",
        "oldest_ns",
        "seen_ns",
    )

    def __init__(
        self, connection: Connection, seen_ns: int, unseen_ns: int, *, is_data: bool
    ) -> None:
        self.connection = connection
        self.seen_ns = self.newest_ns = self.oldest_ns = seen_ns
        self.doubt_ns = unseen_ns
        self.kept_ns = self._segments = 0
        self.is_dated = self.is_shut = self.is_end = False
        dated_ns = came_ns(connection) if is_data else None
        self.began_ns = self.acted_ns = time.monotonic_ns()
        if dated_ns is not None:
            self.is_dated = True
            self.newest_ns = self.oldest_ns = dated_ns
            self._doubt_before(seen_ns - unseen_ns)

    @property
    def late_ns(self) -> int:
        """For how long it may have been there when libcurl began to act on it, at most."""
        return self.began_ns - self.oldest_ns + self.doubt_ns

    @property
    def is_late(self) -> bool:
        """Whether the newest of it had been there for long."""
        return self.began_ns - self.newest_ns > LONG_NS

    def has_more_come(self) -> bool:
        """Whether there is more than was dated; asked after libcurl has acted, of a late event."""
        return self._segments != tcp_info.data_segments(tcp_info.read(self.connection.duplicate))

    def count(self) -> None:
        """Count the segments that have come: what comes later is something else."""
        connection = self.connection
        connection.segments = tcp_info.data_segments(tcp_info.read(connection.duplicate))

    def _doubt_before(self, earliest_ns: int) -> None:
        """Find out what came when, if it may have been more than one segment."""
        connection = self.connection
        self.doubt_ns = max(0, self.newest_ns - earliest_ns)
        if self.doubt_ns < LONG_NS and self.began_ns - self.newest_ns <= LONG_NS:
            return
        info = tcp_info.read(connection.duplicate)
        self.is_shut = info[0] == tcp_info.CLOSE_WAIT
        self._segments = tcp_info.data_segments(info)
        if self._segments == connection.segments + 1:
            self.doubt_ns = 0
        else:
            first_ns = _dated(connection.duplicate, _FIRST) or self.newest_ns
            self.oldest_ns = min(self.newest_ns, first_ns)
            self.doubt_ns = max(0, self.oldest_ns - earliest_ns)
        connection.segments = self._segments


def came_ns(connection: Connection) -> int | None:
    """Return when the last of what there is to read had come; None: nothing, or it has no date."""
    if connection.duplicate.type != socket.SOCK_STREAM:
        return None
    dated_ns = _dated(connection.duplicate, _ALL)
    # Older than the socket: the wall clock was set meanwhile.
    return None if dated_ns is None or dated_ns < connection.made_ns else dated_ns


def _dated(opened: Any, room: Sequence[bytearray | mmap.mmap]) -> int | None:
    """Return when what is to be read came, the last of what there is room for; None: unknown."""
    try:
        _, ancillary, _, _ = opened.recvmsg_into(room, _ANCILLARY_BYTES, _PEEK)
    except OSError:  # reset, or nothing is there
        return None
    for _, kind, stamped in ancillary:
        if kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _STAMP.unpack(stamped)
            age_ns: int = time.time_ns() - seconds * 1_000_000_000 - nanoseconds
            return time.monotonic_ns() - age_ns if age_ns >= 0 else None
    return None
