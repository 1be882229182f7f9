"""Host name -> addresses, timed: asynchronous DNS on the loop that probes.

Never libcurl's resolver: it has 20 threads, so names wait for one another, and its mark is that
waiting. Answers are stamped by the kernel when they arrive (SO_TIMESTAMPNS), not when a busy loop
gets round to reading them. Nothing is cached: a monitor measures what a new visitor sees.

Source: RFC 1035 (messages), RFC 6761 (localhost), RFC 8305 (a late AAAA is not waited for).
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import chain
from pathlib import Path
from time import monotonic, monotonic_ns

from dns.rdatatype import RdataType

from agent.dns_message import Question
from agent.dns_query import Questions, Replies, ask, is_final
from agent.failure import Code
from agent.resolv_conf import (
    Address,
    ResolvConf,
    Server,
    family_of,
    parse_hosts,
    parse_resolv_conf,
)
from agent.result import Failure

_LOOPBACK: tuple[Address, ...] = (IPv6Address("::1"), IPv4Address("127.0.0.1"))

# Never sent to: connecting a datagram socket to a root server asks the kernel for a route.
_ROUTE_PROBES = {socket.AF_INET6: "2001:503:ba3e::2:30", socket.AF_INET: "198.41.0.4"}
_ROUTES_AGE_S = 10.0

_FAMILY_OF = {RdataType.AAAA: socket.AF_INET6, RdataType.A: socket.AF_INET}


@dataclass(frozen=True, slots=True)
class Answer:
    """Addresses in the order to try them, IPv6 first; at least one.

    ``elapsed_us``: from the first query sent to the last answer received; 0: none was needed.
    """

    addresses: tuple[Address, ...]
    elapsed_us: int


class LookupFailed(Exception):
    """There is no usable address; ``failure`` says why.

    ``elapsed_us``: None: it was no name, and nobody was asked.
    """

    def __init__(self, failure: Failure, elapsed_us: int | None) -> None:
        super().__init__(failure.detail)
        self.failure = failure
        self.elapsed_us = elapsed_us


class Resolver:
    """Looks names up by the machine's hosts file and resolv.conf, re-read when they change.

    ``servers``: ask these instead of resolv.conf's. ``families``: look up only these; None: those
    that this machine has a route for.
    """

    def __init__(
        self,
        *,
        servers: Sequence[Server] = (),
        timeout_s: float | None = None,
        attempts: int | None = None,
        families: Sequence[socket.AddressFamily] | None = None,
        resolv_conf: Path = Path("/etc/resolv.conf"),
        hosts: Path = Path("/etc/hosts"),
    ) -> None:
        self._given = tuple(servers)
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._families = None if families is None else tuple(families)
        self._resolv_conf = _Watched(resolv_conf)
        self._hosts = _Watched(hosts)
        self._conf = ResolvConf()
        self._turn = 0
        self._host_table: dict[str, tuple[Address, ...]] = {}
        self._routed: tuple[socket.AddressFamily, ...] = ()
        self._routed_until = 0.0

    async def resolve(
        self, name: str, *, timeout_s: float, only: socket.AddressFamily | None = None
    ) -> Answer:
        """Look ``name`` up within ``timeout_s``; ``only``: this family, whatever is routed.

        Raises: LookupFailed.
        """
        self._refresh()
        local = self._local(name, only)
        if local:
            return Answer(local, 0)
        families = self._asked() if only is None else (only,)
        candidates = (self._questions(each, families) for each in self._conf.candidates(name))
        first = next(candidates)
        began_ns = monotonic_ns()
        until_ns = began_ns + int(timeout_s * 1e9)
        try:
            replies, last = await self._search(chain((first,), candidates), until_ns)
        except TimeoutError:
            detail = f"no answer about {name} within {timeout_s:.3f} s"
            failure = Failure(Code.DNS_TIMEOUT, detail)
            raise LookupFailed(failure, _us_since(began_ns, monotonic_ns())) from None
        # By the kernel's dates, also of what says no: reading it is not the name server's doing.
        answered_ns = max((reply.at_ns for reply in last.values()), default=began_ns)
        elapsed_us = _us_since(last.asked_ns or began_ns, answered_ns)
        addresses = _in_order(replies)
        if not addresses:
            raise LookupFailed(_failure(name, replies), elapsed_us)
        return Answer(addresses, elapsed_us)

    def _refresh(self) -> None:
        text = self._resolv_conf.changed()
        if text is not None:
            self._conf = parse_resolv_conf(text)
        text = self._hosts.changed()
        if text is not None:
            self._host_table = parse_hosts(text)

    def _local(self, name: str, only: socket.AddressFamily | None) -> tuple[Address, ...]:
        """Addresses that need no query: localhost's (RFC 6761), and the hosts file's."""
        key = name.lower().rstrip(".")
        families = (only,) if only else self._families or tuple(_FAMILY_OF.values())
        if key == "localhost" or key.endswith(".localhost"):
            found = _LOOPBACK
        else:
            found = self._host_table.get(key, ())
        return tuple(
            address for family in families for address in found if family_of(address) == family
        )

    async def _search(
        self, candidates: Iterable[Questions], until_ns: int
    ) -> tuple[Replies, Replies]:
        """Return the replies about the first candidate that has addresses, else about the first;
        and those that came last.

        Raises: TimeoutError when it is ``until_ns`` before that is known.
        """
        first = replies = Replies()
        for questions in candidates:
            replies = await self._look_up(questions, replies.asked_ns, until_ns)
            if any(reply.addresses for reply in replies.values()):
                return replies, replies
            first = first or replies
        return first, replies

    async def _look_up(self, questions: Questions, asked_ns: int, until_ns: int) -> Replies:
        replies = Replies(asked_ns)
        servers = self._in_turn()
        timeout_ns = int((self._timeout_s or self._conf.timeout_s) * 1e9)
        for _ in range(self._attempts or self._conf.attempts):
            for server in servers:
                await ask(server, questions, replies, min(until_ns, monotonic_ns() + timeout_ns))
                if any(reply.addresses for reply in replies.values()):
                    return replies
                if all(is_final(replies.get(kind)) for kind in questions):
                    return replies
                if monotonic_ns() >= until_ns:
                    raise TimeoutError
        return replies

    def _in_turn(self) -> tuple[Server, ...]:
        servers = self._given or self._conf.servers
        if not self._conf.rotates:
            return servers
        self._turn = (self._turn + 1) % len(servers)
        return servers[self._turn :] + servers[: self._turn]

    def _questions(self, name: str, families: Sequence[socket.AddressFamily]) -> Questions:
        """Word the queries about ``name``; none when it is too long with its search suffix."""
        with contextlib.suppress(ValueError):
            return {
                kind: Question(name, kind)
                for kind, family in _FAMILY_OF.items()
                if family in families
            }
        return {}

    def _asked(self) -> tuple[socket.AddressFamily, ...]:
        if self._families is not None:
            return self._families
        if monotonic() > self._routed_until:
            everything = tuple(_FAMILY_OF.values())
            self._routed = tuple(f for f in everything if has_route(f)) or everything
            self._routed_until = monotonic() + _ROUTES_AGE_S
        return self._routed


def _in_order(replies: Replies) -> tuple[Address, ...]:
    return tuple(
        address for kind in _FAMILY_OF if kind in replies for address in replies[kind].addresses
    )


# Which of two types' problems is told: one that is certain before one that may pass.
_PRECEDENCE = (
    Code.DNS_NXDOMAIN,
    Code.DNS_SERVFAIL,
    Code.DNS_REFUSED,
    Code.DNS_BAD_ANSWER,
    Code.DNS_TIMEOUT,
    Code.DNS_UNREACHABLE,
    Code.DNS_NO_ADDRESS,
)


def _failure(name: str, replies: Replies) -> Failure:
    if not replies:
        return Failure(Code.DNS_BAD_ANSWER, f"{name}: no query can hold this name")
    problem = min(
        (reply.problem for reply in replies.values() if reply.problem), key=_PRECEDENCE.index
    )
    details = {reply.detail: None for reply in replies.values() if reply.problem is problem}
    return Failure(problem, f"{name}: {', '.join(details)}")


def has_route(family: socket.AddressFamily) -> bool:
    """Whether this machine could send to addresses of a family; nothing is sent."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((_ROUTE_PROBES[family], 53))
    except OSError:
        return False
    return True


def _us_since(began_ns: int, ended_ns: int) -> int:
    return max(0, ended_ns - began_ns) // 1000


class _Watched:
    """A file whose text is read again when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None

    def changed(self) -> str | None:
        """Return the text, if it is not the one returned last; a missing file is empty."""
        try:
            status = os.stat(self._path)  # noqa: PTH116 - a microsecond cheaper on every probe
            seen = (status.st_mtime_ns, status.st_ino, status.st_size)
            if seen == self._seen:
                return None
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            seen, text = (0, 0, 0), ""
        if seen == self._seen:
            return None
        self._seen = seen
        return text
