"""HTTP/3 over QUIC, against a real server of another maker (aioquic)."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import astuple
from datetime import timedelta
from ipaddress import ip_network

import pytest

from agent.phases import last_phase
from agent.probe import Prober
from agent.result import Assertion, Monitor, Outcome, Request, Result
from tests.support.certificates import Leaf, TestAuthority
from tests.support.http3_server import serve_http3
from tests.support.targets import answer, serve

LOOPBACK = [ip_network("127.0.0.0/8")]
THREE = Request(http_version="3")


@pytest.fixture
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def prober(authority: TestAuthority) -> AsyncIterator[Prober]:
    prober = Prober(allow_networks=LOOPBACK, trust_ca=authority.path)
    yield prober
    await prober.close()


def der(leaf: Leaf) -> bytes:
    return ssl.PEM_cert_to_DER_cert(leaf.certificate.read_text())


async def probe(prober: Prober, port: int, *assertions: Assertion) -> Result:
    url = f"https://127.0.0.1:{port}/"
    asked = Monitor(7, url, timeout_us=3_000_000, request=THREE, assertions=assertions)
    result = await prober.probe(asked)
    (exchange,) = result.exchanges
    assert sum(us or 0 for us in astuple(exchange.phases)) == exchange.total_us
    return result


async def test_it_is_spoken_and_timed(prober: Prober, authority: TestAuthority) -> None:
    expected = (
        Assertion("http_version", expected="3"),
        Assertion("header_equals", "server", "three"),
        Assertion("body_contains", expected="hello"),
        Assertion("cert_days", at_least=1),
    )
    leaf = authority.issue("127.0.0.1")
    async with serve_http3(leaf, wait_s=0.1) as port:
        result = await probe(prober, port, *expected)
    exchange = result.exchanges[0]
    assert (result.outcome, result.failure) == (Outcome.UP, None)
    assert (exchange.http_status, exchange.http_version, exchange.body_bytes) == (200, "3", 5)
    assert 99_000 <= (exchange.phases.wait_us or 0) < 2_000_000
    assert None not in (exchange.phases.connect_us, exchange.phases.tls_us)
    assert result.handshake is not None
    assert (result.handshake.version, result.handshake.cipher[:4]) == ("1.3", "TLS_")
    assert result.handshake.chain.certificates[0] == der(leaf)
    assert exchange.cert_expires_at_us == leaf.expires_at.timestamp() * 1_000_000
    # There is no TCP whose round trip the kernel could tell.
    assert exchange.rtt_us is None


async def test_status_and_certificate_are_judged(prober: Prober, authority: TestAuthority) -> None:
    expired = authority.issue("127.0.0.1", begins=timedelta(days=-9), ends=timedelta(days=-1))
    for leaf, status, code, phase in (
        (authority.issue("127.0.0.1"), 503, "http_status", "receive"),
        (expired, 200, "tls_cert_expired", "connect"),
        (authority.issue("other.example"), 200, "tls_cert_name", "connect"),
    ):
        async with serve_http3(leaf, status=status) as port:
            result = await probe(prober, port)
        assert result.failure is not None
        found = result.failure.code, last_phase(result.exchanges[0].phases)
        assert found == (code, phase), result
        # Also of one that was refused.
        assert result.handshake is not None
        assert result.handshake.chain.certificates[0] == der(leaf)


async def test_no_other_version_is_spoken(prober: Prober, authority: TestAuthority) -> None:
    """The same port number is open, but to TCP only."""
    leaf = authority.issue("127.0.0.1")
    async with serve(answer(), tls=leaf.server_context()) as target:
        result = await probe(prober, target.port)
        assert result.failure is not None
        assert result.failure.code == "connect_refused", result
        assert "Connection refused" in result.failure.detail
        assert target.connections == 0


async def test_the_guard_holds(authority: TestAuthority) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        prober = Prober(trust_ca=authority.path)
        result = await probe(prober, server.getsockname()[1])
        await prober.close()
        assert result.failure is not None
        assert result.failure.code == "address_forbidden"
        with pytest.raises(BlockingIOError):
            server.recv(1)
