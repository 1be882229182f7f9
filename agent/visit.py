"""The connections of one page: shared by its exchanges, and by those of no other page.

libcurl keeps connections by the name they lead to. So every visit gives its hosts names of its own,
which only CONNECT_TO and RESOLVE ever see: what is asked for, verified and sent stays the same.

When the visit is over its connections are shut, for which they are kept: libcurl finds them dead.
Until then the visit watches them, and passes what happens on each to the exchanges that go over it.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from itertools import count
from typing import Any, Protocol

from agent.event import Connection, Event
from agent.guard import Address
from agent.multi import Observer
from agent.tcp_info import bytes_received
from vantage.url import Target

# All that one connection may bring, framing and headers included.
MAX_WIRE_BYTES = 64 * 1024 * 1024

_TURNS_UNASKED = 8
_numbers = count(1)


class Rider(Observer, Protocol):
    """A transfer that goes over one of the connections."""

    def is_on(self, connection: Connection) -> bool:
        """Whether it is this one."""


class Visit:
    """One visit to a page."""

    def __init__(self) -> None:
        self._prefix = f"visit-{next(_numbers)}."
        self._connections: list[Connection] = []
        self._names: set[str] = set()
        self._turns = 0
        # Those in flight, in the order they began; of them those that the last event is about.
        self._riders: dict[Rider, None] = {}
        self._concerned: list[Rider] = []

    def lead(self, target: Target, addresses: Sequence[Address]) -> tuple[str, str]:
        """Return CONNECT_TO and RESOLVE for a host of this page."""
        name = f"{self._prefix}{target.host.replace(':', '-')}:{target.port}"
        self._names.add(name)
        joined = ",".join(f"[{each}]" if each.version == 6 else str(each) for each in addresses)
        return f"::{name}", f"{name}:{joined}"

    def plain(self, words: str) -> str:
        """Take our names out of what libcurl says."""
        return words.replace(self._prefix, "")

    def board(self, rider: Rider) -> None:
        """Take part in what happens on the connections."""
        self._riders[rider] = None

    def leave(self, rider: Rider, connections: Sequence[Connection]) -> None:
        """Take part no more; ``connections``: those made for it, which others go on with."""
        self._riders.pop(rider, None)
        self._connections += connections

    def concerns(self, curl: Any) -> bool:
        return any(rider.concerns(curl) for rider in self._concerned)

    def on_ready(self, event: Event) -> None:
        """Pass it on to whom it concerns."""
        self._concerned = [rider for rider in self._riders if rider.is_on(event.connection)]
        for rider in self._concerned:
            rider.on_ready(event)

    def on_acted(self, event: Event) -> None:
        """Pass it on, and shut a connection that brings more than a page may."""
        for rider in self._concerned:
            rider.on_acted(event)
        self._turns += 1
        if self._turns % _TURNS_UNASKED == 0 and (
            bytes_received(event.connection.duplicate) > MAX_WIRE_BYTES
        ):
            _shut(event.connection)

    def end(self) -> list[str]:
        """Shut every connection; return what RESOLVE must be told to forget."""
        while self._connections:
            connection = self._connections.pop()
            connection.observer = None
            _shut(connection)
            connection.duplicate.close()
        return [f"-{name}" for name in self._names]


def _shut(connection: Connection) -> None:
    with contextlib.suppress(OSError):
        connection.duplicate.shutdown(socket.SHUT_RDWR)
