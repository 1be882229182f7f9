"""Every failure code, provoked for real: a code that nothing can provoke has no place in the list.

Pings need a network of their own: theirs are provoked in test_icmp.py. That no code is missing is
looked after by tests/contract/test_failures.py.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import dns.rcode
import pytest

from agent.failure import Code
from agent.probe import Prober
from agent.resolver import Resolver
from agent.result import Assertion, Monitor, Outcome, Proxy, Request, Result
from tests.support import targets
from tests.support.certificates import TestAuthority
from tests.support.dns_server import Zone, serve_dns
from tests.support.proxies import HttpProxy
from tests.support.targets import Behaviour, answer, respond, serve

EVERYWHERE = [ip_network("0.0.0.0/0"), ip_network("::/0")]
SHORT_US = 800_000
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
NARROW = {"is_narrow": True}


@dataclass
class World:
    """What a case may use; ``authority`` is trusted."""

    authority: TestAuthority
    folder: Path
    full_listener: int

    async def probe(self, url: str, prober: dict[str, Any] | None = None, **terms: Any) -> Result:
        made = Prober(
            **{"allow_networks": EVERYWHERE, "trust_ca": self.authority.path, **(prober or {})}
        )
        try:
            return await made.probe(replace(Monitor(7, url, timeout_us=5_000_000), **terms))
        finally:
            await made.close()


Case = Callable[[World], Awaitable[Result]]


def at(url: str, prober: dict[str, Any] | None = None, **terms: Any) -> Case:
    """Probe a URL that needs no server."""
    return lambda world: world.probe(url, prober, **terms)


def served(behaviour: Behaviour, serving: dict[str, Any] | None = None, **terms: Any) -> Case:
    """Probe a server over plain HTTP."""

    async def case(world: World) -> Result:
        async with serve(behaviour, **(serving or {})) as target:
            return await world.probe(target.url(), **terms)

    return case


def secured(
    behaviour: Behaviour | None = None,
    leaf: dict[str, Any] | None = None,
    names: tuple[str, ...] = ("127.0.0.1",),
    is_strange: bool = False,
    serving: dict[str, Any] | None = None,
    **terms: Any,
) -> Case:
    """Probe a server over TLS; ``is_strange``: its authority is not trusted."""

    async def case(world: World) -> Result:
        authority = TestAuthority(world.folder, "Stranger") if is_strange else world.authority
        tls = authority.issue(*names, **(leaf or {})).server_context()
        async with serve(behaviour or answer(), tls=tls, **(serving or {})) as target:
            result = await world.probe(target.url(scheme="https"), **terms)
            await asyncio.sleep(0.02)  # a connection dropped at once is to be accepted first
            return result

    return case


def looked_up(zone: Zone | None, **terms: Any) -> Case:
    """Look a name up; None: nothing listens where the name server should."""

    async def case(world: World) -> Result:
        async with serve_dns({"target.example": zone or Zone()}) as names:
            server = names.at if zone else ("127.0.0.1", closed_port())
            resolver = Resolver(servers=[server], families=[socket.AF_INET])
            return await world.probe("http://target.example/", {"resolver": resolver}, **terms)

    return case


def judged(assertion: Assertion) -> Case:
    """Hold a sound response against an assertion."""
    return served(answer(), assertions=(assertion,))


def page(html: str) -> Case:
    """Load a page whose resources are all well, if they can be reached."""

    async def behave(connection: targets.Connection) -> None:
        path = await connection.request()
        body = html.encode() if path == "/" else b"x"
        kind = "text/html" if path == "/" else "image/png"
        await connection.send(respond("200 OK", f"Content-Type: {kind}", body=body))

    return served(behave, kind="page", timeout_us=60_000_000)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def refused(world: World) -> Result:
    return await world.probe(f"http://127.0.0.1:{closed_port()}/")


async def unanswered(world: World) -> Result:
    return await world.probe(f"http://127.0.0.1:{world.full_listener}/", timeout_us=SHORT_US)


async def reset_connecting(world: World) -> Result:
    """Be reset between the end of the TCP handshake and the moment that libcurl looks at it.

    On loopback there is no such moment, unless the first SYN is dropped: the kernel sends another
    after a second, and the loop is kept late meanwhile. It is a race all the same, so it may be run
    again.
    """

    async def keep_the_loop_late() -> None:
        while True:
            time.sleep(0.03)  # noqa: ASYNC251 - on purpose
            await asyncio.sleep(0)

    for _ in range(5):
        with full_listener_that_resets() as (port, drain):
            late = asyncio.create_task(keep_the_loop_late())
            asyncio.get_running_loop().call_later(0.2, drain.set)
            try:
                result = await world.probe(f"http://127.0.0.1:{port}/")
            finally:
                late.cancel()
        if result.failure and result.failure.code == Code.CONNECT_RESET:
            break
    return result


@contextmanager
def full_listener_that_resets() -> Iterator[tuple[int, threading.Event]]:
    """Drop every SYN until told to drain; then, in a thread, reset every connection at once."""
    drain = threading.Event()

    def accept() -> None:
        drain.wait(10)
        with suppress(OSError):
            while True:
                connection = listener.accept()[0]
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.close()

    with ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            client = opened.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1], drain
        drain.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


async def without_a_descriptor(world: World) -> Result:
    """Have no socket to connect with."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    prober = Prober(allow_networks=EVERYWHERE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        return await prober.probe(Monitor(7, "http://127.0.0.1:1/", timeout_us=1_000_000))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await prober.close()


async def through_a_proxy_that_refuses(world: World) -> Result:
    async with serve(HttpProxy(refusal=respond("403 Forbidden"))) as way:
        request = Request(proxy=Proxy(way.url().rstrip("/")))
        return await world.probe("https://target.example/", request=request)


async def greeted(greeting: bytes, world: World) -> Result:
    async def behave(connection: targets.Connection) -> None:
        await connection.send(greeting)
        await connection.reader.read()

    async with serve(behave) as target:
        return await world.probe(f"smtp://127.0.0.1:{target.port}")


async def asked_for_what_is_not(world: World) -> Result:
    async with serve_dns({"a.example": Zone({"A": ["192.0.2.1"]})}) as names:
        return await world.probe(f"dns://127.0.0.1:{names.port}/a.example?type=AAAA")


POST = Request(method="POST", body=bytes(64 * 1024))
NO_CERTIFICATE = Request(client_certificate=b"none", client_key=b"none")

CASES: dict[Code, Case] = {
    Code.URL_INVALID: at("gopher://a.example/"),
    Code.DNS_NXDOMAIN: looked_up(Zone(rcode=dns.rcode.NXDOMAIN)),
    Code.DNS_NO_ADDRESS: looked_up(Zone({"MX": ["10 mx.example."]})),
    Code.DNS_SERVFAIL: looked_up(Zone(rcode=dns.rcode.SERVFAIL)),
    Code.DNS_REFUSED: looked_up(Zone(rcode=dns.rcode.REFUSED)),
    Code.DNS_TIMEOUT: looked_up(Zone(silent=99), timeout_us=SHORT_US),
    Code.DNS_UNREACHABLE: looked_up(None),
    Code.DNS_BAD_ANSWER: looked_up(Zone(rcode=dns.rcode.NOTIMP)),
    Code.DNS_NO_RECORD: asked_for_what_is_not,
    Code.ADDRESS_FORBIDDEN: at("http://10.0.0.1/", {"allow_networks": ()}),
    Code.SOURCE_UNAVAILABLE: at("http://127.0.0.1:1/", {"source_address": "192.0.2.77"}),
    Code.CONNECT_REFUSED: refused,
    Code.CONNECT_TIMEOUT: unanswered,
    # The kernel itself refuses TCP to a multicast address; nothing is sent.
    Code.CONNECT_UNREACHABLE: at("http://224.0.0.1/"),
    Code.CONNECT_RESET: reset_connecting,
    Code.CONNECT_FAILED: without_a_descriptor,
    Code.PROXY_REFUSED: through_a_proxy_that_refuses,
    Code.TLS_TIMEOUT: secured(serving={"hold_tls_s": 5}, timeout_us=SHORT_US),
    Code.TLS_RESET: secured(serving={"reset_tls": True}),
    Code.TLS_CERT_EXPIRED: secured(leaf={"begins": timedelta(-9), "ends": timedelta(-1)}),
    Code.TLS_CERT_NOT_YET_VALID: secured(leaf={"begins": timedelta(1), "ends": timedelta(9)}),
    Code.TLS_CERT_NAME: secured(names=("other.example",)),
    Code.TLS_CERT_SELF_SIGNED: secured(leaf={"is_self_signed": True}),
    Code.TLS_CERT_UNTRUSTED: secured(is_strange=True),
    Code.TLS_CERT_INVALID: secured(leaf={"is_for_clients": True}),
    Code.TLS_CLIENT_CERTIFICATE: secured(request=NO_CERTIFICATE),
    Code.TIMEOUT_SEND: served(targets.never_reading, NARROW, request=POST, timeout_us=SHORT_US),
    Code.TIMEOUT_WAIT: served(targets.silent, timeout_us=SHORT_US),
    Code.TIMEOUT_RECEIVE: served(targets.hang_receiving, timeout_us=SHORT_US),
    Code.RESET_SEND: served(targets.reset_sending, NARROW, request=POST),
    Code.RESET_WAIT: served(targets.reset_waiting),
    Code.RESET_RECEIVE: served(targets.reset_receiving),
    Code.EMPTY_RESPONSE: served(answer(b"")),
    Code.PROTOCOL_ERROR: lambda world: greeted(b"hello\r\n", world),
    Code.GREETING_REFUSED: lambda world: greeted(b"554 no service\r\n", world),
    Code.HTTP_PROTOCOL: served(answer(CHUNKED + b"zz\r\n")),
    Code.HEADERS_TOO_LARGE: served(targets.endless_headers),
    Code.BODY_TOO_LARGE: served(targets.endless_body),
    Code.TRUNCATED_BODY: served(answer(targets.OK.replace(b": 5", b": 50"))),
    Code.BAD_ENCODING: served(answer(respond("200 OK", "Content-Encoding: gzip", body=b"no"))),
    Code.TOO_MANY_REDIRECTS: served(answer(respond("302 Found", "Location: /"))),
    Code.REDIRECT_INVALID: served(answer(respond("302 Found", "Location: ftp://a.example/"))),
    Code.HTTP_STATUS: served(answer(respond("503 Busy"))),
    Code.RESOURCE_FAILED: page('<img src="http://127.0.0.1:1/">'),
    Code.PAGE_TOO_LARGE: page("".join(f"<img src=/{number}>" for number in range(201))),
    Code.ASSERTION_STATUS: judged(Assertion("status", expected="204")),
    Code.ASSERTION_HEADER: judged(Assertion("header_present", name="X-None")),
    Code.ASSERTION_BODY: judged(Assertion("body_contains", expected="nothing like it")),
    Code.ASSERTION_JSON: judged(Assertion("json_equals", name="$.a", expected="1")),
    Code.ASSERTION_SIZE: judged(Assertion("size", at_least=1000)),
    Code.ASSERTION_CERTIFICATE: judged(Assertion("cert_days", at_least=14)),
    Code.ASSERTION_LIMIT: judged(Assertion("limit", name="total", at_most=0)),
    Code.ASSERTION_URL: judged(Assertion("url", expected="https://elsewhere.example/")),
    Code.ASSERTION_NETWORK: judged(Assertion("network", expected="192.0.2.0/24")),
    Code.ASSERTION_HTTP_VERSION: judged(Assertion("http_version", expected="2")),
    Code.ASSERTION_UNSUPPORTED: judged(Assertion("of a later version")),
    Code.TOO_SLOW: served(answer(wait_s=0.05), slow_us=20_000),
    # Written past the operator's tool, which looks at what it is given.
    Code.OTHER: secured(request=Request(authority=b"no authority")),
}
DEGRADED = {
    Code.TOO_SLOW,
    Code.ASSERTION_UNSUPPORTED,
    Code.RESOURCE_FAILED,
    Code.PAGE_TOO_LARGE,
}


async def tls_with_plain(world: World) -> Result:
    async def behave(connection: targets.Connection) -> None:
        await connection.send(b"220 smtp.example ESMTP\r\n")
        await connection.reader.read()

    async with serve(behave) as target:
        return await world.probe(target.url(scheme="https"))


CASES[Code.TLS_HANDSHAKE] = tls_with_plain


@pytest.mark.parametrize("code", CASES, ids=str)
async def test_a_code_is_provoked(
    authority: TestAuthority, tmp_path: Path, full_listener: int, code: Code
) -> None:
    result = await CASES[code](World(authority, tmp_path, full_listener))
    assert result.failure is not None, result
    assert result.failure.code == code, result.failure.detail[:1500]
    assert result.outcome is (Outcome.DEGRADED if code in DEGRADED else Outcome.DOWN)
    assert result.failure.detail
