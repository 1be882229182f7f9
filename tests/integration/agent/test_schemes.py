"""Schemes other than http and https against real servers: well, ill, and which phases there are."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from datetime import timedelta
from ipaddress import ip_network

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket

from agent.probe import Prober
from agent.resolver import Resolver
from agent.result import Assertion, Outcome, Request
from tests.support import targets
from tests.support.certificates import Leaf, TestAuthority
from tests.support.dns_server import Zone, serve_dns
from tests.support.probing import assert_failed, check, monitor, patience_us, phases_of
from tests.support.targets import Behaviour, Connection, hold, respond, routes, serve
from vantage.scheme import GREETING, TLS

LOOPBACK = [ip_network("127.0.0.0/8")]
HELD_S = 0.2


def says(*parts: bytes, wait_s: float = 0.0, pause_s: float = 0.0) -> Behaviour:
    """Say ``parts`` without being asked, then read until the other side is gone."""

    async def behave(connection: Connection) -> None:
        await hold(wait_s)
        for number, part in enumerate(parts):
            await hold(pause_s if number else 0)
            await connection.send(part)
        heard.append(await connection.reader.read())

    heard: list[bytes] = []
    behave.heard = heard  # type: ignore[attr-defined]
    return behave


def broker(connack: bytes) -> Behaviour:
    """Be an MQTT broker as far as CONNECT goes (MQTT 3.1.1, section 3.1)."""

    async def behave(connection: Connection) -> None:
        kind, length = await connection.reader.readexactly(2)
        packet = await connection.reader.readexactly(length)
        assert kind == 0x10
        assert packet[:8] == b"\0\4MQTT\4\2"
        assert packet[12:].startswith(b"vantage-")
        await connection.send(connack)
        assert await connection.reader.read() == b"\xe0\0"

    return behave


GREETINGS = {
    "smtp": (says(b"220-mx.example ESMTP\r\n220 ready\r\n"), "220-mx.example ESMTP\n220 ready"),
    "imap": (says(b"* OK [CAPABILITY IMAP4rev2] ready\r\n"), "* OK [CAPABILITY IMAP4rev2] ready"),
    "pop3": (says(b"+OK ready <1.2@mx.example>\r\n"), "+OK ready <1.2@mx.example>"),
    "ftp": (
        says(b"220-Hello\r\n no code here\r\n220 ready\r\n"),
        "220-Hello\n no code here\n220 ready",
    ),
    "ssh": (says(b"Welcome\r\nSSH-2.0-OpenSSH_10.0\r\n"), "SSH-2.0-OpenSSH_10.0"),
    "mqtt": (broker(b"\x20\2\0\0"), "CONNACK 0 accepted"),
}
GREETINGS |= {f"{scheme}s": GREETINGS[scheme] for scheme in ("smtp", "imap", "pop3", "ftp", "mqtt")}
GREETINGS["sftp"] = GREETINGS["ssh"]


def test_no_greeting_is_left_out() -> None:
    assert set(GREETINGS) == set(GREETING)


@pytest.mark.parametrize("scheme", GREETINGS)
async def test_a_greeting_is_up_and_told(prober: Prober, good: Leaf, scheme: str) -> None:
    behaviour, answer = GREETINGS[scheme]
    tls = good.server_context() if scheme in TLS else None
    async with serve(behaviour, tls=tls) as target:
        probed = monitor(
            target.url("", scheme=scheme), Assertion("body_contains", expected=answer[-5:])
        )
        result = await prober.probe(probed)
    exchange = check(result)
    assert (result.failure, exchange.answer) == (None, answer)
    sends = ["send"] if scheme.startswith("mqtt") else []
    secures = ["tls"] if tls else []
    assert phases_of(exchange) == ["connect", *secures, *sends, "wait", "receive"]
    assert (exchange.http_status, exchange.http_version, exchange.target_port) == (
        None,
        "",
        target.port,
    )
    assert exchange.rtt_us is not None
    assert (exchange.cert_expires_at_us is not None) == bool(tls)


async def test_a_greeting_is_timed_and_taken_leave_of(prober: Prober) -> None:
    polite = says(b"220-wait\r\n", b"220 ready\r\n", wait_s=0.1, pause_s=0.06)
    async with serve(polite) as target:
        result = await prober.probe(monitor(target.url("", scheme="smtp")))
        async with asyncio.timeout(20):
            while not polite.heard:  # type: ignore[attr-defined]
                await asyncio.sleep(0.01)
    phases = check(result).phases
    assert 99_000 <= phases.wait_us < 5_000_000
    assert 55_000 <= phases.receive_us < 5_000_000
    assert polite.heard == [b"QUIT\r\n"]  # type: ignore[attr-defined]


async def test_a_greeting_is_dated_by_the_kernel(prober: Prober) -> None:
    """It comes while the agent's loop is held up, and is measured as if it had not been."""

    accepted, greeted = threading.Event(), threading.Event()

    def greet(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            accepted.set()
            time.sleep(HELD_S)
            connection.sendall(b"220 ready\r\n")
            greeted.set()
            connection.recv(100)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=greet, args=(listener,))
        server.start()
        url = f"smtp://127.0.0.1:{listener.getsockname()[1]}"
        began_s = time.perf_counter()
        probing = asyncio.create_task(prober.probe(monitor(url)))
        while not accepted.is_set():
            await asyncio.sleep(0)
        await asyncio.sleep(HELD_S / 4)
        greeted.wait()  # blocking the loop is the point
        greeted_us = (time.perf_counter() - began_s) * 1e6
        time.sleep(2 * HELD_S)  # noqa: ASYNC251
        result = await probing
        server.join()
    phases = check(result).phases
    assert HELD_S * 1e6 - 10_000 <= phases.wait_us < greeted_us + HELD_S * 1e6
    assert phases.receive_us < 10_000


BAD_GREETINGS = [
    ("smtp", says(b"554 no service\r\n"), "greeting_refused", "receive"),
    ("smtp", says(b"hello\r\n"), "protocol_error", "receive"),
    ("smtp", says(b"HTTP/1.1 400 Bad Request\r\n"), "protocol_error", "receive"),
    ("smtp", targets.silent, "timeout_wait", "wait"),
    ("smtp", says(b"220-for ever\r\n"), "timeout_receive", "receive"),
    ("smtp", says(b"220-for ever\r\n" * 10_000), "protocol_error", "receive"),
    ("imap", says(b"* BYE too many\r\n"), "greeting_refused", "receive"),
    ("imap", says(b"220 mail\r\n"), "protocol_error", "receive"),
    ("pop3", says(b"-ERR busy\r\n"), "greeting_refused", "receive"),
    ("pop3", says(b"* OK\r\n"), "protocol_error", "receive"),
    ("ftp", says(b"421 too many\r\n"), "greeting_refused", "receive"),
    ("ssh", says(b"SSH-1.5-old\r\n"), "protocol_error", "receive"),
    ("ssh", targets.silent, "timeout_wait", "wait"),
    ("mqtt", broker(b"\x20\2\0\3"), "greeting_refused", "receive"),
    ("mqtt", says(b"220 mail\r\n"), "protocol_error", "receive"),
    ("mqtt", targets.silent, "timeout_wait", "wait"),
]


async def hang_up(connection: Connection) -> None:
    return


async def hang_up_midway(connection: Connection) -> None:
    await connection.send(b"220-so")


async def reset(connection: Connection) -> None:
    connection.reset()


BAD_GREETINGS += [
    ("imap", hang_up, "empty_response", "wait"),
    ("imap", hang_up_midway, "protocol_error", "receive"),
    ("imap", reset, "reset_wait", "wait"),
]


@pytest.mark.parametrize(
    ("scheme", "behaviour", "code", "phase", "is_tls"),
    [
        (*bad, is_tls)
        for bad in BAD_GREETINGS
        for is_tls in (False, True)
        if not is_tls or bad[0] + "s" in TLS
    ],
)
async def test_bad_greetings(
    prober: Prober,
    good: Leaf,
    scheme: str,
    behaviour: Behaviour,
    code: str,
    phase: str,
    is_tls: bool,
) -> None:
    if is_tls and scheme == "ssh":
        return
    async with serve(behaviour, tls=good.server_context() if is_tls else None) as target:
        url = target.url("", scheme=scheme + "s" * is_tls)
        result = await prober.probe(monitor(url, timeout_us=patience_us(code)))
    assert_failed(result, code, phase)


async def test_a_connection_is_all_there_is_to_tcp(prober: Prober) -> None:
    async with serve(targets.silent) as target:
        result = await prober.probe(monitor(target.url("", scheme="tcp")))
    exchange = check(result)
    assert (result.outcome, phases_of(exchange)) == (Outcome.UP, ["connect"])
    assert exchange.rtt_us is not None
    assert (exchange.http_status, exchange.answer, exchange.cert_expires_at_us) == (None, "", None)
    assert_failed(await prober.probe(monitor(exchange.url)), "connect_refused", "connect")


async def test_a_handshake_is_all_there_is_to_tls(prober: Prober, good: Leaf) -> None:
    async with serve(targets.silent, tls=good.server_context(), hold_tls_s=0.4) as target:
        result = await prober.probe(monitor(target.url("", scheme="tls")))
        late = await prober.probe(monitor(target.url("", scheme="tls"), timeout_us=300_000))
    exchange = check(result)
    assert (result.outcome, phases_of(exchange)) == (Outcome.UP, ["connect", "tls"])
    assert 399_000 <= exchange.phases.tls_us < 5_000_000
    assert exchange.cert_expires_at_us == int(good.expires_at.timestamp() * 1e6)
    assert_failed(late, "tls_timeout", "tls")


async def test_no_application_protocol_is_offered(prober: Prober, good: Leaf) -> None:
    """A server that speaks none of what is offered may refuse the handshake."""
    context = good.server_context(alpn=("h2", "http/1.1"))
    chosen: list[str | None] = []

    async def note(connection: Connection) -> None:
        tls = connection.writer.get_extra_info("ssl_object")
        chosen.append(tls.selected_alpn_protocol())

    async with serve(note, tls=context) as target:
        for scheme in ("https", "tls", "https"):
            await prober.probe(monitor(target.url("", scheme=scheme)))
    assert chosen == ["h2", None, "h2"]


@pytest.mark.parametrize("scheme", ["tls", "imaps", "wss"])
async def test_certificates_are_verified(
    prober: Prober, authority: TestAuthority, scheme: str
) -> None:
    expired = authority.issue("127.0.0.1", ends=timedelta(days=-1), begins=timedelta(days=-9))
    misnamed = authority.issue("192.0.2.1")
    selfmade = authority.issue("127.0.0.1", is_self_signed=True)
    for leaf, code in (
        (expired, "tls_cert_expired"),
        (misnamed, "tls_cert_name"),
        (selfmade, "tls_cert_self_signed"),
    ):
        async with serve(targets.silent, tls=leaf.server_context()) as target:
            result = await prober.probe(monitor(target.url("", scheme=scheme)))
        assert_failed(result, code, "tls")
        expiry = result.exchanges[0].cert_expires_at_us
        assert expiry == int(leaf.expires_at.timestamp() * 1e6)


@pytest.mark.parametrize("scheme", ["ws", "tcp", "smtp"])
async def test_the_guard_holds(authority: TestAuthority, scheme: str) -> None:
    prober = Prober(trust_ca=authority.path)
    try:
        async with serve(targets.silent) as target:
            result = await prober.probe(monitor(target.url("", scheme=scheme)))
        assert result.failure is not None
        assert (result.failure.code, target.connections) == ("address_forbidden", 0)
    finally:
        await prober.close()


async def test_a_name_is_looked_up_first(authority: TestAuthority, good: Leaf) -> None:
    zones = {"target.example": Zone({"A": ["127.0.0.1"]}, delay_s=0.05)}
    async with (
        serve_dns(zones) as server,
        serve(says(b"* OK\r\n"), tls=good.server_context()) as target,
    ):
        resolver = Resolver(servers=[server.at], families=[socket.AF_INET])
        prober = Prober(allow_networks=LOOPBACK, trust_ca=authority.path, resolver=resolver)
        try:
            url = target.url("", scheme="imaps", host="target.example")
            exchange = check(await prober.probe(monitor(url)))
        finally:
            await prober.close()
    assert phases_of(exchange) == ["dns", "connect", "tls", "wait", "receive"]
    assert exchange.phases.dns_us >= 50_000


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_a_websocket_is_opened_and_closed(prober: Prober, good: Leaf, scheme: str) -> None:
    closed: list[int | None] = []
    asked: list[str | None] = []

    async def stay(socket: ServerConnection) -> None:
        await socket.wait_closed()
        asked.append(socket.request.headers.get("Origin") if socket.request else None)
        closed.append(socket.close_code)

    tls = good.server_context() if scheme == "wss" else None
    async with serve_websocket(stay, "127.0.0.1", 0, ssl=tls) as server:
        port = server.sockets[0].getsockname()[1]
        request = Request(headers=(("Origin", "https://a.example"),))
        probed = monitor(
            f"{scheme}://127.0.0.1:{port}/chat",
            Assertion("header_present", "Sec-WebSocket-Accept"),
            request=request,
        )
        result = await prober.probe(probed)
        exchange = check(result)
        assert result.failure is None
        assert (exchange.http_status, exchange.http_version) == (101, "1.1")
        secures = ["tls"] if tls else []
        assert phases_of(exchange) == ["connect", *secures, "send", "wait", "receive"]
        async with asyncio.timeout(20):
            while not closed:
                await asyncio.sleep(0.01)
    assert (closed, asked) == ([1000], ["https://a.example"])


UNPROVEN = respond(
    "101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: x",
).replace(b"Content-Length: 0\r\n", b"")
BAD_UPGRADES = [
    ("proves nothing", targets.answer(UNPROVEN), "protocol_error", "receive"),
    ("refuses", targets.answer(respond("403 Forbidden")), "http_status", "receive"),
    ("is a web server", targets.answer(), "http_status", "receive"),
    ("redirects", targets.answer(respond("302 Found", "Location: /")), "http_status", "receive"),
    ("is silent", targets.silent, "timeout_wait", "wait"),
    ("is no HTTP", says(b"220 mail\r\n"), "http_protocol", "wait"),
]


@pytest.mark.parametrize(
    ("behaviour", "code", "phase"), [pytest.param(*rest, id=name) for name, *rest in BAD_UPGRADES]
)
async def test_bad_upgrades(prober: Prober, behaviour: Behaviour, code: str, phase: str) -> None:
    async with serve(behaviour) as target:
        url = target.url(scheme="ws")
        result = await prober.probe(monitor(url, timeout_us=patience_us(code)))
    assert_failed(result, code, phase)


@pytest.mark.parametrize("scheme", ["ws", "tcp", "imap", "dns", "icmp"])
async def test_nothing_but_http_is_redirected_to(prober: Prober, scheme: str) -> None:
    location = (
        f"{scheme}://127.0.0.1" + (":9" if scheme == "tcp" else "") + "/a" * (scheme == "dns")
    )
    async with serve(routes({"/": respond("302 Found", f"Location: {location}")})) as target:
        result = await prober.probe(monitor(target.url()))
    assert_failed(result, "redirect_invalid", "receive")


async def test_handles_are_set_back(prober: Prober, good: Leaf) -> None:
    """One pooled handle serves every scheme in turn, and the ones before leave no trace."""
    async with serve(routes({"/": targets.OK})) as plain:
        for scheme in ("http", "tcp", "http", "ws", "http", "tcp", "ws", "http"):
            result = await prober.probe(monitor(plain.url("/", scheme=scheme)))
            failure = result.failure and result.failure.code
            assert failure == ("http_status" if scheme == "ws" else None)
            assert (result.exchanges[0].http_status is None) == (scheme == "tcp")
