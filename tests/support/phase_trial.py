"""Probes of a server that delays every phase by a known time; run behind delaylink.

    python phase_trial.py FOLDER PROBES

Prints the truth, then one JSON object for each probe: its phases, total and round trip, all in
microseconds. The servers are a process of their own, so that the prober's loop does nothing but
probe.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from ipaddress import ip_network
from pathlib import Path
from statistics import median

import dns.message
import uvloop

from agent.probe import Prober
from agent.resolver import Resolver
from agent.result import Monitor
from tests.support.certificates import Leaf, TestAuthority
from tests.support.delaylink import HERE, REFLECTOR, THERE, die_with_parent
from tests.support.dns_server import Zone, serve_dns
from tests.support.targets import answer, paced, serve

HOST = "target.example"
UNDELAYED = "undelayed.example"
ONE_WAY_S = 0.010
QUIET_US = 500
MOST_PROBES = 3
DNS_S, TLS_S, WAIT_S, RECEIVE_S = 0.030, 0.025, 0.040, 0.050


def truth_us(lookup_us: int, round_trip_us: int, handshake_us: int) -> dict[str, int]:
    """What each phase truly takes, in microseconds.

    ``round_trip_us``: of the link. ``lookup_us``, ``handshake_us``: what the two ends compute for
    DNS and TLS where nothing is held. All as other clients see them, before any probe.
    """
    return {
        # The server on loopback holds its answers this long.
        "dns_us": round(DNS_S * 1e6) + lookup_us,
        # SYN there, SYN-ACK back; the server's kernel accepts at once.
        "connect_us": round_trip_us,
        # TLS 1.3: the ClientHello there, held, the server's Finished back.
        "tls_us": round_trip_us + round(TLS_S * 1e6) + handshake_us,
        # Handed to the kernel in one piece.
        "send_us": 0,
        # The request there, held, the first byte back.
        "wait_us": round_trip_us + round(WAIT_S * 1e6),
        # The last byte is sent this long after the first; both are one way late.
        "receive_us": round(RECEIVE_S * 1e6),
    }


def main() -> None:
    folder, probes = Path(sys.argv[1]), int(sys.argv[2])
    authority = TestAuthority(folder)
    leaf = authority.issue(HOST)
    with _servers(leaf) as (server, dns_port, port, undelayed_port):
        lookup_us = round(median(_lookup_us(dns_port) for _ in range(9)))
        round_trip_us = round(median(_connect_us(port) for _ in range(9)))
        handshake_us = round(median(_handshake_us(undelayed_port) for _ in range(9)))
        print(json.dumps(truth_us(lookup_us, round_trip_us, handshake_us)))
        uvloop.run(_probe(authority.path, dns_port, port, probes, server))


@contextmanager
def _servers(leaf: Leaf) -> Iterator[list[int]]:
    """Run the servers in a child; yield its id, the ports of DNS, HTTPS, and undelayed HTTPS."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        die_with_parent()
        os.close(reading)
        asyncio.run(_serve(leaf, writing))
    os.close(writing)
    try:
        with os.fdopen(reading) as ports:
            yield [child, *map(int, ports.readline().split())]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _lookup_us(port: int) -> float:
    query = dns.message.make_query(UNDELAYED, "A").to_wire()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        began = time.perf_counter()
        sock.send(query)
        sock.recv(512)
        return (time.perf_counter() - began) * 1e6


def _connect_us(port: int) -> float:
    began = time.perf_counter()
    with socket.create_connection((THERE, port)):
        return (time.perf_counter() - began) * 1e6


def _handshake_us(port: int) -> float:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port)) as plain:
        began = time.perf_counter()
        with context.wrap_socket(plain):
            return (time.perf_counter() - began) * 1e6


async def _serve(leaf: Leaf, ready: int) -> None:
    zones = {HOST: Zone({"A": [THERE]}, delay_s=DNS_S), UNDELAYED: Zone({"A": [THERE]})}
    behaviour = paced(wait_s=WAIT_S, receive_s=RECEIVE_S)
    context = leaf.server_context()
    async with (
        serve_dns(zones) as names,
        serve(behaviour, tls=context, hold_tls_s=TLS_S, host=HERE) as target,
        serve(answer(), tls=context) as undelayed,
    ):
        os.write(ready, f"{names.port} {target.port} {undelayed.port}\n".encode())
        await asyncio.Event().wait()


async def _probe(authority: Path, dns_port: int, port: int, probes: int, server: int) -> None:
    prober = Prober(
        allow_networks=[ip_network(f"{THERE}/32")],
        trust_ca=authority,
        resolver=Resolver(servers=[("127.0.0.1", dns_port)]),
    )
    monitor = Monitor(1, f"https://{HOST}:{port}/")
    await prober.probe(monitor)  # the first reads 150 authorities and makes the first handle
    taking_part = (os.getpid(), server, int(os.environ[REFLECTOR]))
    for _ in range(MOST_PROBES * probes):
        waited_us = sum(map(_waited_us, taking_part))
        result = await prober.probe(monitor)
        waited_us = sum(map(_waited_us, taking_part)) - waited_us
        (exchange,) = result.exchanges
        found = {
            "failure": result.failure and result.failure.detail,
            "phases": asdict(exchange.phases),
            "total_us": result.total_us,
            "rtt_us": exchange.rtt_us,
            "waited_us": waited_us,
        }
        print(json.dumps(found))
        probes -= waited_us <= QUIET_US
        if not probes:
            break
    await prober.close()


def _waited_us(process: int) -> int:
    """How long ``process`` has been kept waiting for a processor, ever; see proc(5), schedstat."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[1]) // 1000


if __name__ == "__main__":
    main()
