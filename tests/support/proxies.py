"""Real proxies on loopback: HTTP (absolute URLs, CONNECT) and SOCKS 5 that looks names up."""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from dataclasses import dataclass, field

from tests.support.targets import Connection, head_of, hold

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class HttpProxy:
    """A behaviour for ``targets.serve``; ``hosts``: names it knows, to ports on loopback.

    ``asked``: the first line and the headers of every request. ``refusal``: answered instead of
    serving; ``hold_s``: how long it thinks before it answers.
    """

    hosts: dict[str, int] = field(default_factory=dict)
    refusal: bytes = b""
    hold_s: float = 0.0
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    async def __call__(self, connection: Connection) -> None:
        head = (await connection.reader.readuntil(b"\r\n\r\n")).decode()
        line, headers = head_of(head)
        self.asked.append((line, headers))
        await hold(self.hold_s)
        if self.refusal:
            await connection.send(self.refusal)
            return
        method, url, _ = line.split(" ")
        is_tunnel = method == "CONNECT"
        authority = url if is_tunnel else url.split("/")[2]
        reader, writer = await self._open(authority)
        if is_tunnel:
            await connection.send(b"HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n")
        else:
            writer.write(head.replace(url, "/" + url.split("/", 3)[3], 1).encode())
        await join((connection.reader, connection.writer), (reader, writer))

    async def _open(self, authority: str) -> Ends:
        host, _, port = authority.rpartition(":")
        return await asyncio.open_connection("127.0.0.1", self.hosts.get(host) or int(port))


@dataclass
class SocksProxy:
    """SOCKS 5 (RFC 1928, 1929) to ``hosts``; ``asked``: the names it was given."""

    hosts: dict[str, int] = field(default_factory=dict)
    login: tuple[str, str] | None = None
    asked: list[str] = field(default_factory=list)

    async def __call__(self, connection: Connection) -> None:
        reader = connection.reader
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        await connection.send(b"\x05\x02" if self.login else b"\x05\x00")
        if self.login:
            _, length = await reader.readexactly(2)
            name = (await reader.readexactly(length)).decode()
            (length,) = await reader.readexactly(1)
            word = (await reader.readexactly(length)).decode()
            is_right = (name, word) == self.login
            await connection.send(b"\x01\x00" if is_right else b"\x01\x01")
            if not is_right:
                return
        _, _, _, kind = await reader.readexactly(4)
        if kind != 3:
            await connection.send(b"\x05\x08\x00\x01" + bytes(6))
            return
        (length,) = await reader.readexactly(1)
        host = (await reader.readexactly(length)).decode()
        struct.unpack("!H", await reader.readexactly(2))
        self.asked.append(host)
        if host not in self.hosts:
            await connection.send(b"\x05\x04\x00\x01" + bytes(6))
            return
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self.hosts[host])
        await connection.send(b"\x05\x00\x00\x01" + bytes(6))
        await join((connection.reader, connection.writer), (to_reader, to_writer))


async def join(one: Ends, other: Ends) -> None:
    """Pass bytes both ways until one side is done; then close the other."""

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await source.read(65536):
                sink.write(chunk)
                await sink.drain()

    ways = [
        asyncio.create_task(pump(one[0], other[1])),
        asyncio.create_task(pump(other[0], one[1])),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        other[1].close()
