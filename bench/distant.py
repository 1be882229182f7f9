"""The server whose answers accuracy is measured on: DNS, HTTP and HTTPS, each held for a while.

    python -m bench.distant ADDRESS CERTIFICATE KEY HOLD_S

Prints the ports of DNS, HTTP and HTTPS. Every name is at delaylink's THERE; the client ends the
connection. How punctual it is does not matter: what is true is told by the packets.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import struct
import sys
from typing import Any

import uvloop

from tests.support.delaylink import THERE

DNS_S = 0.010
# Between the first part of an answer and the rest.
PACE_S = 0.030
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1005\r\n\r\nhello"
REST = b"." * 1000


class _Names(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        asyncio.get_running_loop().call_later(DNS_S, self._answer, data, address)

    def _answer(self, data: bytes, address: Any) -> None:
        """Say that the name is at THERE, and nowhere by IPv6; see RFC 1035, section 4."""
        question = data[12 : data.index(0, 12) + 5]
        record = b""
        if question[-4:] == b"\0\1\0\1":
            record = struct.pack("!HHHIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton(THERE)
        header = data[:2] + struct.pack("!HHHHH", 0x8180, 1, bool(record), 0, 0)
        self._transport.sendto(header + question + record, address)


class _Held(asyncio.Protocol):
    def __init__(self, hold_s: float) -> None:
        # Not in step with one another: answers that come together are seen one after the other.
        self._hold_s = hold_s * random.uniform(0.75, 1.25)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, _data: bytes) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(self._hold_s, self._transport.write, HEAD)
        loop.call_later(self._hold_s + PACE_S, self._transport.write, REST)


async def _serve(address: str, certificate: str, key: str, hold_s: float) -> None:
    loop = asyncio.get_running_loop()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.num_tickets = 0
    names, _ = await loop.create_datagram_endpoint(_Names, local_addr=(address, 0))
    ports = [names.get_extra_info("sockname")[1]]
    for tls in (None, context):
        server = await loop.create_server(lambda: _Held(hold_s), address, 0, ssl=tls, backlog=4096)
        ports.append(server.sockets[0].getsockname()[1])
    print(*ports, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    address, certificate, key, hold_s = sys.argv[1:]
    uvloop.run(_serve(address, certificate, key, float(hold_s)))
