"""A TCP proxy that misbehaves to order: one thread with its own loop, called from any other."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any, Self, TypeVar

import uvloop

CHUNK_BYTES = 65_536
ABORT_NOT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: close sends RST

Value = TypeVar("Value")


class Way(Enum):
    UP = "to the collector"
    DOWN = "to the agent"


class Proxy:
    """Its links live until it ends."""

    def __enter__(self) -> Self:
        self._loop = uvloop.new_event_loop()
        self._links: list[Link] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, coroutine: Coroutine[Any, Any, Value]) -> Value:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def link(self, target: int) -> Link:
        """Open a way to the port ``target``; its own port is ``link.port``."""
        link = Link(self, target)
        self.call(link.listen())
        self._links.append(link)
        return link

    async def _close(self) -> None:
        for link in self._links:
            link.server.close()
            link.abort()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Connection:
    """One accepted connection and the one made for it."""

    def __init__(self, agent: asyncio.StreamWriter, collector: asyncio.StreamWriter) -> None:
        self.to = {Way.UP: collector, Way.DOWN: agent}
        self.began_at = time.monotonic()

    def abort(self) -> None:
        """End both sides at once, with RST."""
        for writer in self.to.values():
            if not writer.is_closing():
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT_NOT_CLOSE)
            writer.transport.abort()


# What becomes of one chunk: called with it and its connection; returns what to send on.
Trick = Callable[[bytes, Connection, asyncio.StreamWriter], bytes]


class Link:
    """The way from one agent to a collector.

    Every fault returns whether it hit something: one that met no connection was none.
    """

    def __init__(self, proxy: Proxy, target: int) -> None:
        self.target = target
        self.port = 0
        self._proxy = proxy
        self._connections: set[Connection] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._bytes_per_s: float | None = None
        self._is_refusing = False
        self._tricks: dict[Way, tuple[Trick, asyncio.Event]] = {}

    async def listen(self) -> None:
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    def abort(self) -> None:
        for connection in self._connections:
            connection.abort()

    def is_used(self, for_s: float = 0.0) -> bool:
        """Whether a connection has been open for so long."""
        latest = time.monotonic() - for_s
        return any(connection.began_at <= latest for connection in [*self._connections])

    def wait_used(self, for_s: float, within_s: float = 5.0) -> None:
        """Wait until ``is_used``, but not for ever."""
        deadline = time.monotonic() + within_s
        while not self.is_used(for_s) and time.monotonic() < deadline:
            time.sleep(0.01)

    # Faults, each called from another thread ------------------------------------------------------

    def cut(self) -> bool:
        """End what is open, in whatever state it is."""
        return self._proxy.call(self._cut())

    def swap(self, target: int) -> bool:
        """Cut, and lead to another collector from now on."""
        return self._proxy.call(self._cut(target))

    def half_close(self, way: Way) -> bool:
        """End one direction in good order; the other stays open."""
        return self._proxy.call(self._half_close(way))

    def cut_within(self, way: Way, within_s: float = 3.0) -> bool:
        """Let half of the next chunk through, then cut: up, a batch is torn."""

        def tear(data: bytes, connection: Connection, writer: asyncio.StreamWriter) -> bytes:
            writer.write(data[: len(data) // 2])
            asyncio.get_running_loop().call_soon(connection.abort)
            return b""

        return self._proxy.call(self._trick(way, tear, within_s))

    def cut_before(self, way: Way, within_s: float = 3.0) -> bool:
        """Lose the next chunk and cut: down, what was committed is not acknowledged."""

        def lose(data: bytes, connection: Connection, writer: asyncio.StreamWriter) -> bytes:
            connection.abort()
            return b""

        return self._proxy.call(self._trick(way, lose, within_s))

    def corrupt(self, way: Way, within_s: float = 3.0) -> bool:
        """Change one bit of the next chunk."""

        def flip(data: bytes, connection: Connection, writer: asyncio.StreamWriter) -> bytes:
            middle = len(data) // 2
            return data[:middle] + bytes([data[middle] ^ 0x10]) + data[middle + 1 :]

        return self._proxy.call(self._trick(way, flip, within_s))

    def stall(self, length_s: float) -> bool:
        """Move nothing for a while, of new connections neither."""
        return self._proxy.call(self._stall(length_s))

    def slow(self, length_s: float, bytes_per_s: float = 20_000) -> bool:
        """Move little for a while."""
        return self._proxy.call(self._slow(length_s, bytes_per_s))

    def refuse(self, length_s: float) -> bool:
        """Cut, and close new connections at once for a while."""
        return self._proxy.call(self._refuse(length_s))

    # In the loop ----------------------------------------------------------------------------------

    async def _cut(self, target: int | None = None) -> bool:
        hit = bool(self._connections)
        self.target = target or self.target
        self.abort()
        return hit

    async def _half_close(self, way: Way) -> bool:
        hit = False
        for connection in self._connections:
            writer = connection.to[way]
            if writer.can_write_eof() and not writer.is_closing():
                writer.write_eof()
                hit = True
        return hit

    async def _trick(self, way: Way, trick: Trick, within_s: float) -> bool:
        done = asyncio.Event()
        self._tricks[way] = trick, done
        try:
            async with asyncio.timeout(within_s):
                await done.wait()
        except TimeoutError:
            return self._tricks.pop(way, None) is None  # taken at the last moment
        return True

    async def _stall(self, length_s: float) -> bool:
        hit = bool(self._connections)
        self._flowing.clear()
        await asyncio.sleep(length_s)
        self._flowing.set()
        return hit or bool(self._connections)

    async def _slow(self, length_s: float, bytes_per_s: float) -> bool:
        hit = bool(self._connections)
        self._bytes_per_s = bytes_per_s
        await asyncio.sleep(length_s)
        self._bytes_per_s = None
        return hit or bool(self._connections)

    async def _refuse(self, length_s: float) -> bool:
        self._is_refusing = True
        hit = await self._cut()
        await asyncio.sleep(length_s)
        self._is_refusing = False
        return hit

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_refusing:
            writer.transport.abort()
            return
        try:
            above, below = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        connection = Connection(writer, below)
        self._connections.add(connection)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(Way.UP, reader, connection))
                pumps.create_task(self._pump(Way.DOWN, above, connection))
        finally:
            self._connections.discard(connection)
            writer.close()
            below.close()

    async def _pump(self, way: Way, reader: asyncio.StreamReader, connection: Connection) -> None:
        writer = connection.to[way]
        try:
            while data := await reader.read(CHUNK_BYTES):
                await self._flowing.wait()
                if self._bytes_per_s is not None:
                    await asyncio.sleep(len(data) / self._bytes_per_s)
                if way in self._tricks:
                    trick, done = self._tricks.pop(way)
                    data = trick(data, connection, writer)
                    done.set()
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except (OSError, RuntimeError):  # this side is gone: so shall the other be
            connection.abort()
