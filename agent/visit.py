"""The connections of one page: shared by its exchanges, and by those of no other page.

libcurl keeps connections by the name they lead to. So every visit gives its hosts names of its own,
which only CONNECT_TO and RESOLVE ever see: what is asked for, verified and sent stays the same.

When the visit is over its connections are shut, for which they are kept: libcurl finds them dead.
They are watched as long, for nobody else watches a connection that is used again.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from itertools import count

from agent.guard import Address
from agent.multi import Connection
from agent.tcp_info import bytes_received
from agent.url import Target

# All that one connection may bring, framing and headers included.
MAX_WIRE_BYTES = 64 * 1024 * 1024

_TURNS_UNASKED = 8
_numbers = count(1)


class Visit:
    """One visit to a page."""

    def __init__(self) -> None:
        self._prefix = f"visit-{next(_numbers)}."
        self._connections: list[Connection] = []
        self._names: set[str] = set()
        self._turns = 0
        # An Observer's: which transfer an event belongs to is not known of shared connections.
        self.curl = None

    def lead(self, target: Target, addresses: Sequence[Address]) -> tuple[str, str]:
        """Return CONNECT_TO and RESOLVE for a host of this page."""
        name = f"{self._prefix}{target.host.replace(':', '-')}:{target.port}"
        self._names.add(name)
        joined = ",".join(f"[{each}]" if each.version == 6 else str(each) for each in addresses)
        return f"::{name}", f"{name}:{joined}"

    def plain(self, words: str) -> str:
        """Take our names out of what libcurl says."""
        return words.replace(self._prefix, "")

    def keep(self, connection: Connection) -> None:
        """Take over a connection whose first exchange is done."""
        connection.observer = self
        self._connections.append(connection)

    def on_ready(self, connection: Connection, late_us: int) -> None:
        """Nothing is read here."""

    def on_acted(
        self, connection: Connection, waited_us: int, unseen_us: int, kept_us: int
    ) -> None:
        """Shut a connection that brings more than a page may."""
        self._turns += 1
        if self._turns % _TURNS_UNASKED == 0 and (
            bytes_received(connection.duplicate) > MAX_WIRE_BYTES
        ):
            _shut(connection)

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
