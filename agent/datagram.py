"""Datagram sockets on the loop; the kernel dates when each datagram left, and when it arrived.

So a limit is one on when something arrived: what did in time is taken, however late the loop comes
to read it. Limits are nanoseconds of the monotonic clock.

What left is dated when it is handed to the network's driver, which mostly is before the call that
sends it returns; the date is then read from the socket's error queue.

Source: linux/Documentation/networking/timestamping.rst.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import struct
import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import NamedTuple

from agent import timer

# Linux: include/uapi/asm-generic/socket.h; the socket module does not name it.
_SO_TIMESTAMPING = 37
# TX_SOFTWARE, RX_SOFTWARE, SOFTWARE; OPT_TSONLY: what was sent need not come back with its date.
_BOTH_WAYS = 1 << 1 | 1 << 3 | 1 << 4 | 1 << 11
# Three dates, of which the first is the kernel's; and beside that of what left, what it is about.
_DATES = struct.Struct("@6l")
# Somebody may send faster than they are read: others' turn comes in between.
_AT_ONCE = 32
_ANCILLARY_BYTES = socket.CMSG_SPACE(_DATES.size) + socket.CMSG_SPACE(64)


class Datagram(NamedTuple):
    """What has arrived, and when, on the monotonic clock; not ``is_dated``: when it was read."""

    data: bytes
    at_ns: int
    is_dated: bool


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
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _BOTH_WAYS)
        if source is not None:
            sock.bind((source, 0))
        sock.connect(server)
    except OSError:
        sock.close()
        raise
    return sock


def send(sock: socket.socket, datagram: bytes) -> int:
    """Send, and return when it left, on the monotonic clock. Raises: OSError.

    Where the kernel has no date for it yet, that is the middle of the call.
    """
    before_ns = time.monotonic_ns()
    sock.send(datagram)
    after_ns = time.monotonic_ns()
    left_ns = _left_ns(sock)
    # A date that does not lie within the call is that of an earlier one, or the clock was set.
    return left_ns if before_ns <= left_ns <= after_ns else (before_ns + after_ns) // 2


async def readable(sock: socket.socket, until_ns: int) -> None:
    """Wait until something is there to read, on a socket of any kind.

    Raises: TimeoutError when by ``until_ns`` nothing is.
    """
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[bool] = loop.create_future()
    loop.add_reader(sock, _wake, woken, True)
    limit = timer.call_at(until_ns, _wake, woken, False)
    try:
        is_there = await woken
    finally:
        limit.cancel()
        loop.remove_reader(sock)
    # A busy loop may come to the timer first.
    if not is_there and not _has_something(sock):
        raise TimeoutError


def _wake(woken: asyncio.Future[bool], is_there: bool) -> None:
    if not woken.done():
        woken.set_result(is_there)


def _has_something(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def datagrams(sock: socket.socket, until_ns: int) -> Iterator[Datagram]:
    """Read what has arrived, or the first of much.

    Raises: TimeoutError for what did after ``until_ns``.
    """
    is_empty = True
    for _ in range(_AT_ONCE):
        try:
            data, ancillary, _, _ = sock.recvmsg(4096, _ANCILLARY_BYTES)
        except BlockingIOError:
            if is_empty:
                # What woke us was a date that came late, and would again.
                _left_ns(sock)
            return
        is_empty = False
        dated_ns = _dated_ns(ancillary)
        at_ns = dated_ns or time.monotonic_ns()
        if at_ns > until_ns:
            raise TimeoutError
        yield Datagram(data, at_ns, bool(dated_ns))


def _left_ns(sock: socket.socket) -> int:
    """Take the date of what was sent out of the socket's error queue; 0: it has none."""
    try:
        _, ancillary, _, _ = sock.recvmsg(0, _ANCILLARY_BYTES, socket.MSG_ERRQUEUE)
    except OSError:
        return 0
    return _dated_ns(ancillary)


def _dated_ns(ancillary: list[tuple[int, int, bytes]]) -> int:
    """Return the kernel's date on the monotonic clock; 0: it gave none that can be true."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPING:
            seconds, nanoseconds, *_ = _DATES.unpack(data)
            age_ns = time.time_ns() - (seconds * 1_000_000_000 + nanoseconds)
            # A clock that was set meanwhile says nothing.
            return time.monotonic_ns() - age_ns if 0 <= age_ns < 1_000_000_000 else 0
    return 0
