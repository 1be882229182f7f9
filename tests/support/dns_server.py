"""A real DNS server on loopback, UDP and TCP on one port, with answers and delays as told."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.support.targets import hold


@dataclass
class Zone:
    """What to say about one name. ``records``: type -> values; an absent type has no data."""

    records: dict[str, list[str]] = field(default_factory=dict)
    delay_s: float = 0.0
    delays_s: dict[str, float] = field(default_factory=dict)
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    silent: int = 0
    is_truncated: bool = False
    is_garbled: bool = False


@dataclass
class DnsServer:
    """A running server; ``queries``: (protocol, name, type) of everything asked."""

    address: str
    port: int
    zones: dict[str, Zone]
    queries: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def at(self) -> tuple[str, int]:
        return self.address, self.port

    async def respond(self, wire: bytes, protocol: str) -> bytes | None:
        """Answer one query, when it is due; None: not at all."""
        began = time.perf_counter()
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.queries.append((protocol, name, kind))
        zone = self.zones.get(name) or Zone(rcode=dns.rcode.NXDOMAIN)
        if zone.silent > 0:
            zone.silent -= 1
            return None
        response = dns.message.make_response(query)
        response.set_rcode(zone.rcode)
        if zone.is_truncated and protocol == "udp":
            response.flags |= dns.flags.TC
        else:
            self._fill(response, question.name, kind)
        due = began + zone.delays_s.get(kind, zone.delay_s)
        answer = b"\xff" * 20 if zone.is_garbled else response.to_wire()
        await hold(due - time.perf_counter())
        return answer

    def _fill(self, response: dns.message.Message, name: dns.name.Name, kind: str) -> None:
        """Add the records of ``name``, following its aliases."""
        zone = self.zones.get(name.to_text(omit_final_dot=True).lower(), Zone())
        for record_kind in (kind, "CNAME"):
            values = zone.records.get(record_kind)
            if values:
                rrset = dns.rrset.from_text(name, 60, "IN", record_kind, *values)
                response.answer.append(rrset)
                if record_kind == "CNAME":
                    self._fill(response, rrset[0].target, kind)


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.create_task(self._answer(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, data: bytes, addr: tuple[str, int]) -> None:
        response = await self._server.respond(data, "udp")
        if response is not None and not self._transport.is_closing():
            self._transport.sendto(response, addr)  # type: ignore[attr-defined]


@asynccontextmanager
async def serve_dns(
    zones: dict[str, Zone], *, address: str = "127.0.0.1", kind: type[DnsServer] = DnsServer
) -> AsyncIterator[DnsServer]:
    """Serve ``zones``; a name that is not among them does not exist."""
    loop = asyncio.get_running_loop()
    tcp_socket = socket.create_server((address, 0))
    port = tcp_socket.getsockname()[1]
    server = kind(address, port, zones)

    async def over_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            response = await server.respond(await reader.readexactly(length), "tcp")
            if response is not None:
                writer.write(struct.pack("!H", len(response)) + response)
                await writer.drain()
        writer.close()

    tcp = await asyncio.start_server(over_tcp, sock=tcp_socket)
    udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(server), local_addr=(address, port))
    try:
        yield server
    finally:
        udp.close()
        tcp.close()
