"""Servers that mean harm: each attack ends in its documented code, soon and in little memory.

Every attack is made where the monitor points, behind a redirect, and as the redirect itself.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from agent.phases import last_phase
from agent.probe import Prober
from agent.resolver import Answer, Resolver
from agent.result import Assertion, Monitor, Request, Result
from tests.support.dns_server import Zone, serve_dns
from tests.support.targets import Behaviour, Connection, answer, respond, routes, serve

ONLY_FIRST = [ip_network("127.0.0.1/32")]
PATIENT_US = 10_000_000
SHORT_US = 400_000
# What a probe may take besides: the largest body, twice, and what libcurl and the test itself use.
MEMORY_KB = 64 * 1024

Attack = Callable[[bytes], Behaviour]


@pytest.fixture
async def prober() -> AsyncIterator[Prober]:
    prober = Prober(allow_networks=ONLY_FIRST)
    yield prober
    await prober.close()


def at_once(*parts: bytes, then: bytes = b"") -> Attack:
    """Send the status line and ``parts``, then ``then`` for ever; empty: no more, and stay."""

    def attack(status: bytes) -> Behaviour:
        async def behave(connection: Connection) -> None:
            await connection.request()
            await connection.send(status + b"".join(parts))
            while then:
                await connection.send(then)
            await connection.reader.read()

        return behave

    return attack


def drip(*parts: bytes) -> Attack:
    """Send the status line, then byte after byte, slower than anybody waits."""

    def attack(status: bytes) -> Behaviour:
        async def behave(connection: Connection) -> None:
            await connection.request()
            await connection.send(status)
            for octet in b"".join(parts):
                await connection.send(bytes((octet,)))
                await asyncio.sleep(0.02)

        return behave

    return attack


def packed(body: bytes, *encodings: str) -> bytes:
    head = f"Content-Encoding: {', '.join(encodings)}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
# 64 MiB as 64 KiB, and as 300 bytes.
BOMB = gzip.compress(bytes(64 * 1024 * 1024), 9)
BOMB_IN_BOMB = gzip.compress(BOMB, 9)
# Blocks that hold nothing: no limit on what comes out of them would see it.
NOTHING = gzip.compress(b"\x1f\x8b\x08" + bytes(6) + b"\x03" + b"\x00\x00\x00\xff\xff" * 200_000, 9)
ZEROS = bytes(65_536)

ATTACKS: dict[str, tuple[Attack, str]] = {
    "endless headers": (at_once(then=b"X: " + b"x" * 4_000 + b"\r\n"), "headers_too_large"),
    "one endless header": (at_once(b"X: ", then=b"x" * 65_536), "headers_too_large"),
    "endless body": (at_once(CHUNKED, then=b"10000\r\n" + ZEROS + b"\r\n"), "body_too_large"),
    "body without a length": (at_once(b"\r\n", then=ZEROS), "body_too_large"),
    "length beyond measure": (
        at_once(b"Content-Length: 9999999999999\r\n\r\n"),
        "body_too_large",
    ),
    "endless chunk extension": (at_once(CHUNKED, b"5;", then=b"x" * 65_536), "body_too_large"),
    "endless tiny chunks": (
        at_once(CHUNKED, then=b"1;" + b"x" * 4_000 + b"\r\nx\r\n"),
        "body_too_large",
    ),
    "endless trailers": (
        at_once(CHUNKED, b"0\r\n", then=b"X: " + b"x" * 4_000 + b"\r\n"),
        "headers_too_large",
    ),
    "chunk beyond measure": (at_once(CHUNKED, b"f" * 17 + b"\r\n"), "http_protocol"),
    "decompression bomb": (at_once(packed(BOMB, "gzip")), "body_too_large"),
    "bomb in a bomb": (at_once(packed(BOMB_IN_BOMB, "gzip", "gzip")), "bad_encoding"),
    "nothing in a bomb": (
        at_once(b"content-ENCODING: GZIP\r\n", packed(NOTHING, "gzip")),
        "bad_encoding",
    ),
    "many encodings": (at_once(packed(BOMB, *["gzip"] * 50)), "bad_encoding"),
    "slow headers": (drip(b"X: " + b"x" * 1_000), "timeout_receive"),
    "slow body": (drip(b"Content-Length: 1000\r\n\r\n", ZEROS[:1000]), "timeout_receive"),
    "silence after the headers": (
        at_once(b"Content-Length: 10\r\n\r\n"),
        "timeout_receive",
    ),
}


@pytest.mark.parametrize("place", ["at once", "behind a redirect", "as the redirect"])
@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_ends_in_its_code(prober: Prober, name: str, place: str) -> None:
    attack, code = ATTACKS[name]
    status = b"HTTP/1.1 200 OK\r\n"
    if place == "as the redirect":
        status = b"HTTP/1.1 302 Found\r\nLocation: /next\r\n"
    timeout_us = SHORT_US if code.startswith("timeout") else PATIENT_US
    async with serve(attack(status)) as target:
        hop = routes({"/": respond("302 Found", f"Location: {target.url()}")})
        async with serve(hop) as outside:
            url = outside.url() if place == "behind a redirect" else target.url()
            # An assertion that has it kept, as far as anything is.
            kept = Assertion("body_contains", expected="nothing like it")
            forget_peak()
            before_kb = peak_kb()
            result = await prober.probe(Monitor(1, url, timeout_us=timeout_us, assertions=(kept,)))
            assert peak_kb() - before_kb < MEMORY_KB
        assert target.connections == 1
    assert code_of(result) == code, result.failure
    # None would ever end by itself.
    assert result.total_us < timeout_us + 5_000_000
    assert len(result.exchanges) == (2 if place == "behind a redirect" else 1)


async def test_what_is_not_unpacked_may_be_packed_twice(prober: Prober) -> None:
    status = b"HTTP/1.1 200 OK\r\n"
    async with serve(at_once(packed(NOTHING, "gzip", "gzip"))(status)) as target:
        result = await prober.probe(Monitor(1, target.url(), request=Request(is_uncompressed=True)))
        assert result.failure is None
        # ... and what the handle was told does not hold for the next.
        refused = await prober.probe(Monitor(1, target.url()))
    assert (code_of(refused), last_phase(refused.exchanges[0].phases)) == (
        "bad_encoding",
        "receive",
    )


def code_of(result: Result) -> str:
    return "" if result.failure is None else str(result.failure.code)


def forget_peak() -> None:
    """Let the kernel count this process's greatest use of memory anew."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


# Where a redirect must not lead; {port}: of a server that must see no connection.
INSIDE: dict[str, str] = {
    "http://127.0.0.2:{port}/": "address_forbidden",
    "http://[::1]:{port}/": "address_forbidden",
    "http://[::ffff:127.0.0.2]:{port}/": "address_forbidden",
    "http://2130706434:{port}/": "address_forbidden",
    "http://0x7f.2:{port}/": "address_forbidden",
    "//127.0.0.2:{port}/": "address_forbidden",
    "http://user@127.0.0.2:{port}/": "address_forbidden",
    "http://169.254.169.254/latest/meta-data/": "address_forbidden",
    "http://[fd00:ec2::254]/latest/meta-data/": "address_forbidden",
    "http://[::ffff:a9fe:a9fe]/latest/meta-data/": "address_forbidden",
    "http://[64:ff9b::a9fe:a9fe]/latest/meta-data/": "address_forbidden",
    "file:///etc/passwd": "redirect_invalid",
    "gopher://127.0.0.2:{port}/": "redirect_invalid",
    "dict://127.0.0.2:{port}/": "redirect_invalid",
}


@pytest.mark.parametrize("hops", [1, 3])
@pytest.mark.parametrize("location", INSIDE)
async def test_no_redirect_leads_inside(prober: Prober, location: str, hops: int) -> None:
    async with serve(answer(), host="127.0.0.2") as inside:
        leads = {f"/{at}": respond("302 Found", f"Location: /{at + 1}") for at in range(1, hops)}
        last = location.format(port=inside.port)
        leads[f"/{hops}"] = respond("302 Found", f"Location: {last}")
        async with serve(routes(leads)) as outside:
            result = await prober.probe(Monitor(1, outside.url("/1"), timeout_us=PATIENT_US))
        assert outside.connections == hops
        assert inside.connections == 0
    assert code_of(result) == INSIDE[location], result.failure
    if INSIDE[location] == "address_forbidden":
        assert result.exchanges[-1].phases.connect_us is None


class Changing(Resolver):
    """A resolver after whose answers the name leads inside: between lookup and connect."""

    def __init__(self, zone: Zone, **options: Any) -> None:
        super().__init__(**options)
        self._zone = zone

    async def resolve(self, *arguments: Any, **options: Any) -> Answer:
        found = await super().resolve(*arguments, **options)
        self._zone.records = {"A": ["127.0.0.2"]}
        return found


async def test_an_answer_that_changes_is_not_asked_for_twice() -> None:
    """What was looked up and permitted is what is connected to; the next hop is judged anew."""
    zone = Zone({"A": ["127.0.0.1"]})
    leads = routes({"/": respond("302 Found", "Location: /again"), "/end": respond("200 OK")})
    async with (
        serve_dns({"changing.example": zone}) as names,
        serve(leads) as outside,
        serve(answer(), host="127.0.0.2", port=outside.port) as inside,
    ):
        resolver = Changing(zone, servers=[names.at], families=[socket.AF_INET])
        prober = Prober(allow_networks=ONLY_FIRST, resolver=resolver)
        once = await prober.probe(Monitor(1, outside.url("/end", host="changing.example")))
        assert code_of(once) == ""
        assert [kind for _, _, kind in names.queries] == ["A"]
        zone.records = {"A": ["127.0.0.1"]}
        again = await prober.probe(Monitor(1, outside.url(host="changing.example")))
        assert code_of(again) == "address_forbidden"
        assert len(again.exchanges) == 2
        assert (outside.connections, inside.connections) == (2, 0)
        await prober.close()


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*a){20}$", "^(([a-z])+.)+[A-Z]$"])
async def test_a_catastrophic_expression_does_not_hold_up_others(
    prober: Prober, pattern: str
) -> None:
    text = respond("200 OK", body=b"a" * 200_000 + b"!")
    matches = Assertion("body_matches", expected=pattern)
    async with serve(answer(text)) as target, serve(answer()) as other:
        began = time.perf_counter()
        probe = asyncio.create_task(prober.probe(Monitor(1, target.url(), assertions=(matches,))))
        beside = await prober.probe(Monitor(2, other.url()))
        result = await probe
        assert time.perf_counter() - began < 10
    assert code_of(result) == "assertion_body"
    assert code_of(beside) == ""
