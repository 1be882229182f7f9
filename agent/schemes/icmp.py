"""icmp: several echo requests over a ping socket, which needs no privilege where the kernel allows.

``wait_us`` is the mean of the round trips, each from the kernel's date of the request to that
of the reply; the pauses between are in no phase. Where nothing comes back it is the time that was
waited.

Of several addresses the first that answers at all is pinged; the others are in no phase either.

Source: RFC 792, RFC 4443; net/ipv4/ping.c: the kernel fills in identifier and checksum.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import struct
from collections.abc import Sequence
from time import monotonic_ns

from agent.content import Content
from agent.datagram import Datagram, connected, datagrams, readable, send
from agent.failure import Code, os_failure
from agent.guard import Address
from agent.result import Exchange, Failure, Phases, Pings, Request
from agent.schemes.scheme import Exchanged
from agent.schemes.turns import in_turn
from vantage.url import Target

PINGS = 5
_PAUSE_NS = 100_000_000
# What has not come back so long after the last was sent is lost.
_GRACE_NS = 2_000_000_000

_HEADER = struct.Struct("!BBHHH")
_TOKEN_BYTES = 8
_PADDING = bytes(48)
# Protocol, type of a request, type of a reply.
_V4 = (socket.IPPROTO_ICMP, 8, 0)
_V6 = (socket.IPPROTO_ICMPV6, 128, 129)


class Icmp:
    """Pings. ``source_address``: where from; None: the kernel's choice."""

    def __init__(self, source_address: str | None) -> None:
        self._source = source_address

    async def exchange(
        self,
        target: Target,
        addresses: Sequence[Address],
        dns_us: int | None,
        timeout_us: int,
        request: Request,
        content: Content | None,
    ) -> Exchanged:
        began_ns = monotonic_ns()
        for address, until_ns in in_turn(addresses, timeout_us):
            echoes = _Echoes(address.version)
            failure, local_ip = await self._ping(address, echoes, until_ns)
            if echoes.rounds_us:
                break
        rounds_us = list(echoes.rounds_us.values())
        if rounds_us:
            failure, wait_us = None, round(sum(rounds_us) / len(rounds_us))
        else:
            wait_us = (monotonic_ns() - began_ns) // 1000
            detail = f"{echoes.sent} pings, and none came back"
            failure = failure or Failure(Code.PING_TIMEOUT, detail)
        exchange = Exchange(
            url=target.url,
            phases=Phases(dns_us=dns_us, wait_us=wait_us),
            total_us=(dns_us or 0) + wait_us,
            target_ip=address.packed,
            local_ip=local_ip,
            # What is lost may have been missed.
            doubt_us=0 if echoes.are_dated and len(rounds_us) == PINGS else None,
            pings=Pings(
                echoes.sent,
                len(rounds_us),
                min(rounds_us, default=None),
                max(rounds_us, default=None),
            ),
        )
        return exchange, failure, ""

    async def _ping(
        self, address: Address, echoes: _Echoes, until_ns: int
    ) -> tuple[Failure | None, bytes]:
        """Return what made it impossible, if anything did, and the local address."""
        protocol, *_ = _V4 if address.version == 4 else _V6
        local_ip = b""
        try:
            with connected((str(address), 0), protocol=protocol, source=self._source) as sock:
                local_ip = socket.inet_pton(sock.family, sock.getsockname()[0])
                await echoes.exchange(sock, until_ns)
        except PermissionError as error:  # EACCES: of the socket itself
            return _forbidden(error), local_ip
        except OSError as error:
            return os_failure(error), local_ip
        return None, local_ip


class _Echoes:
    """A row of echo requests; ``rounds_us``: number -> round trip of those that came back.

    ``are_dated``: the kernel dated each that did.
    """

    def __init__(self, version: int) -> None:
        _, self._request, self._reply = _V4 if version == 4 else _V6
        self._token = secrets.token_bytes(_TOKEN_BYTES)
        self._sent_ns: dict[int, int] = {}
        self.rounds_us: dict[int, int] = {}
        self.are_dated = True

    @property
    def sent(self) -> int:
        return len(self._sent_ns)

    async def exchange(self, sock: socket.socket, until_ns: int) -> None:
        """Send all, and wait until all are back or must be taken for lost. Raises: OSError."""
        for number in range(1, PINGS + 1):
            await self._ping(sock, number, until_ns)
            if monotonic_ns() >= until_ns:
                return

    async def _ping(self, sock: socket.socket, number: int, until_ns: int) -> None:
        """Send one, and read replies until the next is due or, of the last, all are back."""
        header = _HEADER.pack(self._request, 0, 0, 0, number)
        self._sent_ns[number] = send(sock, header + self._token + _PADDING)
        is_last = number == PINGS
        due_ns = min(until_ns, monotonic_ns() + (_GRACE_NS if is_last else _PAUSE_NS))
        with contextlib.suppress(TimeoutError):
            while monotonic_ns() < due_ns and not (is_last and len(self.rounds_us) == PINGS):
                await readable(sock, due_ns)
                for datagram in datagrams(sock, until_ns):
                    self._take(datagram)

    def _take(self, datagram: Datagram) -> None:
        data, at_ns, is_dated = datagram
        if len(data) < _HEADER.size + _TOKEN_BYTES:
            return
        kind, _, _, _, number = _HEADER.unpack_from(data)
        token = data[_HEADER.size : _HEADER.size + _TOKEN_BYTES]
        sent_ns = self._sent_ns.get(number)
        if kind == self._reply and token == self._token and sent_ns is not None:
            self.rounds_us.setdefault(number, max(0, at_ns - sent_ns) // 1000)
            self.are_dated = self.are_dated and is_dated


def _forbidden(error: PermissionError) -> Failure:
    return Failure(
        Code.PING_FORBIDDEN,
        f"{error.strerror}: the kernel lets group {os.getegid()} send no pings; to permit it, run: "
        'sysctl -w net.ipv4.ping_group_range="0 2147483647"',
    )
