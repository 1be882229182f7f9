"""Datagram sockets on the loop, with the kernel's own stamps of when each datagram arrived.

Source: SO_TIMESTAMPNS in socket(7); linux/Documentation/networking/timestamping.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from ipaddress import ip_address

# Linux: include/uapi/asm-generic/socket.h; the socket module does not name it.
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("@ll")


def connected(
    server: tuple[str, int], *, protocol: int = 0, source: str | None = None
) -> socket.socket:
    """Open a socket that only ``server`` can answer, from a port of its own.

    ``source``: the local address to send from; None: the kernel's choice. Raises: OSError.
    """
    is_v4 = ip_address(server[0]).version == 4
    family = socket.AF_INET if is_v4 else socket.AF_INET6
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, protocol)
    try:
        with contextlib.suppress(OSError):  # elsewhere than on Linux: our own clock serves
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        if source is not None:
            sock.bind((source, 0))
        sock.connect(server)
    except OSError:
        sock.close()
        raise
    return sock


async def readable(sock: socket.socket) -> None:
    """Wait until something has arrived."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sock, _wake, ready)
    try:
        await ready
    finally:
        loop.remove_reader(sock)


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def datagrams(sock: socket.socket) -> Iterator[tuple[bytes, int]]:
    """Read what has arrived: each datagram, and when, on the monotonic clock."""
    while True:
        try:
            datagram, ancillary, _, _ = sock.recvmsg(4096, 64)
        except BlockingIOError:
            return
        yield datagram, _received_ns(ancillary)


def _received_ns(ancillary: list[tuple[int, int, bytes]]) -> int:
    now_ns = time.monotonic_ns()
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            waited_ns = time.time_ns() - (seconds * 1_000_000_000 + nanoseconds)
            # A clock that was set meanwhile says nothing.
            return now_ns - waited_ns if 0 <= waited_ns < 1_000_000_000 else now_ns
    return now_ns
