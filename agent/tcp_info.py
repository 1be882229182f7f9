"""What the kernel knows of a TCP connection.

Source: tcp(7); the layout of TCP_INFO is include/uapi/linux/tcp.h.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

ESTABLISHED = 1
# The round trip, and how many segments were sent again.
RTT = struct.Struct("=68xI28xI")
# How long ago the last data came.
QUIET_MS = struct.Struct("=52xI")

_TCP_INFO = 11
_TCP_INFO_BYTES = 136
_BYTES_RECEIVED = struct.Struct("=128xQ")


def read(opened: Any) -> bytes:
    """Return a connection's TCP_INFO, whose first byte is its state; zeros for QUIC."""
    if opened.type != socket.SOCK_STREAM:
        return bytes(_TCP_INFO_BYTES)
    info: bytes = opened.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _TCP_INFO_BYTES)
    return info


def bytes_received(opened: Any) -> int:
    """All that the connection brought; 0 where the kernel does not count it."""
    info = read(opened)
    return int(_BYTES_RECEIVED.unpack(info)[0]) if len(info) == _TCP_INFO_BYTES else 0
