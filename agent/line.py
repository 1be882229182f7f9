"""A connection that libcurl has made, to be spoken over by ourselves: CONNECT_ONLY.

Guard, addresses, TLS and its certificate, marks: all of that is the transfer's, whatever is spoken.

Source: curl_easy_recv(3), curl_easy_send(3), CURLINFO_ACTIVESOCKET(3).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pycurl

from agent import tcp_info
from agent.event import Connection, came_ns
from agent.failure import CurlError

_CHUNK_BYTES = 16 * 1024
_SOUND = (tcp_info.ESTABLISHED, tcp_info.CLOSE_WAIT)


class LineBroken(Exception):
    """The connection is of no use any more; ``error``: as libcurl tells it."""

    def __init__(self, error: CurlError) -> None:
        super().__init__(error.message)
        self.error = error


class Line:
    """Sends and receives; to be used until the transfer's handle is taken out of the multi.

    Instants are nanoseconds of the monotonic clock. ``made_ns``: when the connection was there;
    None: nobody saw. ``came_ns``: when what was received last had come; None: it has no date.
    """

    def __init__(self, curl: Any, connection: Connection, made_ns: int | None) -> None:
        self._curl = curl
        self._connection = connection
        self.made_ns = made_ns
        self.came_ns: int | None = None

    async def receive(self) -> bytes:
        """Return what comes next; empty: the peer has closed. Raises: LineBroken."""
        loop = asyncio.get_running_loop()
        while True:
            # To peek at a connection that was reset would take the error away from libcurl.
            is_sound = tcp_info.read(self._connection.duplicate)[0] in _SOUND
            at_ns = came_ns(self._connection) if is_sound else None
            try:
                received: bytes = self._curl.recv(_CHUNK_BYTES)
            except BlockingIOError:
                await self._ready(loop.add_reader, loop.remove_reader)
            except pycurl.error as error:
                raise LineBroken(self._told(error)) from error
            else:
                self.came_ns = at_ns
                return received

    async def send(self, data: bytes) -> None:
        """Hand over all of ``data``. Raises: LineBroken."""
        loop = asyncio.get_running_loop()
        while data:
            try:
                data = data[self._curl.send(data) :]
            except BlockingIOError:
                await self._ready(loop.add_writer, loop.remove_writer)
            except pycurl.error as error:
                raise LineBroken(self._told(error)) from error

    def close_websocket(self) -> None:
        """Send a close frame (RFC 6455, 5.5.1), if there is room for it."""
        with contextlib.suppress(pycurl.error, BlockingIOError):
            self._curl.ws_close(1000)

    async def _ready(self, watch: Any, unwatch: Any) -> None:
        descriptor = self._curl.getinfo(pycurl.ACTIVESOCKET)
        ready = asyncio.Event()
        watch(descriptor, ready.set)
        try:
            await ready.wait()
        finally:
            unwatch(descriptor)

    def _told(self, error: pycurl.error) -> CurlError:
        number, message = error.args
        return CurlError(number, message, os_errno=self._curl.getinfo(pycurl.OS_ERRNO))
