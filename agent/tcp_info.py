"""What the kernel knows of a TCP connection.

Source: tcp(7); the layout of TCP_INFO is include/uapi/linux/tcp.h.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

ESTABLISHED, CLOSE_WAIT = 1, 8
# The round trip, and how many segments were sent again.
RTT = struct.Struct("=68xI28xI")

_TCP_INFO = 11
# An older kernel tells less: what it does not count is 0.
_TCP_INFO_BYTES = 160
_BYTES_RECEIVED = struct.Struct("=128xQ")
_DATA_SEGMENTS = struct.Struct("=152xI")


def read(opened: Any) -> bytes:
    """Return a connection's TCP_INFO, whose first byte is its state; zeros for QUIC."""
    if opened.type != socket.SOCK_STREAM:
        return bytes(_TCP_INFO_BYTES)
    info: bytes = opened.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _TCP_INFO_BYTES)
    return info if len(info) == _TCP_INFO_BYTES else info.ljust(_TCP_INFO_BYTES, b"\0")


def bytes_received(opened: Any) -> int:
    """All that the connection brought; 0 where the kernel does not count it."""
    return int(_BYTES_RECEIVED.unpack_from(read(opened))[0])


def data_segments(info: bytes) -> int:
    """How many segments with data came; 0 where the kernel does not count them."""
    return int(_DATA_SEGMENTS.unpack_from(info)[0])
