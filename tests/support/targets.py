"""Real servers on a real loop that behave as a test asks: late, slow, wrong, or gone.

A *behaviour* is a coroutine over a connection (a Connection below); ``serve`` runs one for every
connection. What it is told to hold it holds to within a tenth of a millisecond.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"


async def hold(seconds: float) -> None:
    """Sleep exactly: loops wake up to a millisecond late, so the last two are spun."""
    until = time.perf_counter() + seconds
    if seconds > 0.002:
        await asyncio.sleep(seconds - 0.002)
    while time.perf_counter() < until:
        await asyncio.sleep(0)


@dataclass
class Connection:
    """An accepted connection; TLS, where there is any, is done."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    raw: socket.socket

    async def request(self) -> str:
        """Read one request's head; return its path."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        return head.split(b" ", 2)[1].decode()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """End the connection by RST."""
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


def head_of(head: str) -> tuple[str, dict[str, str]]:
    """Take a request's head apart: its first line, and its headers by their names in lower case."""
    line, *rest = head.removesuffix("\r\n\r\n").split("\r\n")
    pairs = (each.partition(":")[::2] for each in rest)
    return line, {name.lower(): value.strip() for name, value in pairs}


Behaviour = Callable[[Connection], Awaitable[None]]


@dataclass
class Target:
    """A listening server."""

    port: int
    connections: int = 0
    paths: list[str] = field(default_factory=list)

    def url(self, path: str = "/", *, scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


@asynccontextmanager
async def serve(
    behaviour: Behaviour,
    *,
    tls: ssl.SSLContext | None = None,
    hold_tls_s: float = 0.0,
    reset_tls: bool = False,
    host: str = "127.0.0.1",
    port: int = 0,
    is_narrow: bool = False,
) -> AsyncIterator[Target]:
    """Serve ``behaviour``; ``hold_tls_s``: time between accepting and answering the ClientHello.

    ``is_narrow``: segments and buffers are small, so that a body of some size is under way for a
    while and not at once in the kernel's hands.
    """
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=1024)
    listener.setblocking(False)
    if is_narrow:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    target = Target(listener.getsockname()[1])
    tasks: set[asyncio.Task[None]] = set()

    async def handle(raw: socket.socket) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await hold(hold_tls_s)
            if reset_tls:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raw.close()
                return
            reader = asyncio.StreamReader()
            # Not the protocol that is returned: uvloop returns its own, of the TLS layer.
            protocol = asyncio.StreamReaderProtocol(reader)
            try:
                transport, _ = await loop.connect_accepted_socket(lambda: protocol, raw, ssl=tls)
            except BaseException:
                raw.close()
                raise
            writer = asyncio.StreamWriter(transport, protocol, reader, loop)
            try:
                await behaviour(Connection(reader, writer, raw))
            finally:
                writer.close()

    def accept() -> None:
        with suppress(BlockingIOError):
            while True:
                raw, _ = listener.accept()
                raw.setblocking(False)
                target.connections += 1
                task = asyncio.create_task(handle(raw))
                tasks.add(task)
                task.add_done_callback(partial(settle, raw))

    def settle(raw: socket.socket, task: asyncio.Task[None]) -> None:
        tasks.discard(task)
        if task.cancelled():  # maybe before there was a transport to close it
            raw.close()

    loop.add_reader(listener, accept)
    try:
        yield target
    finally:
        loop.remove_reader(listener)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        listener.close()


def answer(response: bytes = OK, *, wait_s: float = 0.0) -> Behaviour:
    """Send ``response`` ``wait_s`` after the request."""

    async def behave(connection: Connection) -> None:
        await connection.request()
        await hold(wait_s)
        await connection.send(response)

    return behave


def paced(*, wait_s: float, receive_s: float, chunks: int = 4) -> Behaviour:
    """Send the first bytes after ``wait_s`` and the last ones ``receive_s`` after the first."""
    size = 100

    async def behave(connection: Connection) -> None:
        await connection.request()
        await hold(wait_s)
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {size * chunks}\r\n\r\n".encode()
        await connection.send(head)
        began = time.perf_counter()
        for number in range(1, chunks + 1):
            await hold(began + receive_s * number / chunks - time.perf_counter())
            await connection.send(b"x" * size)
        await connection.reader.read()

    return behave


def respond(status: str, *headers: str, body: bytes = b"") -> bytes:
    """Word a whole response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def routes(responses: dict[str, bytes]) -> Behaviour:
    """Answer each path with its own response; 404 for the others."""

    async def behave(connection: Connection) -> None:
        path = await connection.request()
        await connection.send(responses.get(path, respond("404 Not Found")))

    return behave


async def silent(connection: Connection) -> None:
    """Read for ever, answer nothing."""
    await connection.reader.read()


async def never_reading(connection: Connection) -> None:
    """Leave the request where it is."""
    connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.Event().wait()


async def reset_sending(connection: Connection) -> None:
    """Break off while the request is under way."""
    connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(0.05)
    connection.reset()


async def reset_waiting(connection: Connection) -> None:
    await connection.request()
    connection.reset()


async def reset_receiving(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
    await asyncio.sleep(0.05)
    connection.reset()


async def hang_receiving(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
    await connection.reader.read()


async def endless_chunk_extension(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;")
    while True:
        await connection.send(b"x" * 65536)


async def endless_headers(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await connection.send(b"X-Filler: " + b"x" * 4000 + b"\r\n")


async def endless_body(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await connection.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")


async def http2(connection: Connection) -> None:
    """Speak just enough HTTP/2 (RFC 9113) to answer one request with 200 and five bytes."""
    await connection.reader.readexactly(24)
    await connection.send(_frame(4, 0, 0, b""))
    while True:
        length_and_kind = await connection.reader.readexactly(9)
        length = int.from_bytes(length_and_kind[:3], "big")
        kind, flags = length_and_kind[3], length_and_kind[4]
        stream = int.from_bytes(length_and_kind[5:], "big")
        await connection.reader.readexactly(length)
        if kind == 4 and not flags & 1:
            await connection.send(_frame(4, 1, 0, b""))
        if kind == 1:
            # 0x88: HPACK's static entry ":status: 200".
            await connection.send(_frame(1, 4, stream, b"\x88") + _frame(0, 1, stream, b"hello"))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return (
        len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload
    )
