"""What connecting takes that did not succeed at once: all of it, not the round trip of what did."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from pathlib import Path

from agent.probe import Prober
from agent.resolver import Resolver
from agent.result import Outcome
from tests.support.dns_server import Zone, serve_dns
from tests.support.probing import LOOPBACK, probe
from tests.support.targets import OK, answer, serve

# libcurl tries the next address after 200 ms; the kernel sends a SYN again after a second.
NEXT_ADDRESS_US = 150_000
SENT_AGAIN_US = 900_000
# How the kernel lists connections whose SYN has no answer.
SYN_SENT = "02"


def is_connecting(port: int) -> bool:
    """Is a SYN to a port under way, or lost?"""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(
        (line.split()[2][-4:], line.split()[3]) == (f"{port:04X}", SYN_SENT) for line in lines
    )


async def test_an_address_that_did_not_answer_is_part_of_it() -> None:
    zones = {"target.example": Zone({"AAAA": ["::1"], "A": ["127.0.0.1"]})}
    with (
        socket.create_server(("::1", 0), family=socket.AF_INET6, backlog=0) as silent,
        socket.create_connection(silent.getsockname()[:2]),
    ):
        port = silent.getsockname()[1]
        async with serve_dns(zones) as names, serve(answer(), port=port) as target:
            resolver = Resolver(servers=[names.at], families=[socket.AF_INET6, socket.AF_INET])
            prober = Prober(allow_networks=LOOPBACK, resolver=resolver)
            result = await probe(prober, target.url(host="target.example"))
            await prober.close()
    assert result.outcome is Outcome.UP
    exchange = result.exchanges[0]
    assert exchange.target_ip == ip_address("127.0.0.1").packed
    assert (exchange.phases.connect_us or 0) >= NEXT_ADDRESS_US


async def test_a_syn_that_was_sent_again_is_part_of_it(prober: Prober) -> None:
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as listener,
        socket.create_connection(listener.getsockname()) as first,
    ):
        port = listener.getsockname()[1]
        probing = asyncio.create_task(probe(prober, f"http://127.0.0.1:{port}/"))
        # The queue is full of the first one.
        while not is_connecting(port):
            await asyncio.sleep(0.01)
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        waiting, _ = await loop.sock_accept(listener)
        probed, _ = await loop.sock_accept(listener)
        with waiting, probed:
            assert waiting.getpeername() == first.getsockname()
            await loop.sock_recv(probed, 4096)
            await loop.sock_sendall(probed, OK)
        result = await probing
    assert result.outcome is Outcome.UP
    assert (result.exchanges[0].phases.connect_us or 0) >= SENT_AGAIN_US
