"""What TLS showed, against what a real server was given to show."""

from __future__ import annotations

import errno
import hashlib
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from agent.handshake import CERTIFICATES_MAX, Trace
from agent.probe import Prober
from agent.result import Monitor, Outcome, Request, Result
from tests.support.certificates import Leaf, TestAuthority
from tests.support.targets import answer, respond, routes, serve


@pytest.fixture
def authority(tmp_path: Path) -> TestAuthority:
    return TestAuthority(tmp_path)


@pytest.fixture
async def prober(authority: TestAuthority) -> AsyncIterator[Prober]:
    prober = Prober(allow_networks=[ip_network("127.0.0.0/8")], trust_ca=authority.path)
    yield prober
    await prober.close()


def der(*paths: Path) -> tuple[bytes, ...]:
    return tuple(
        each.public_bytes(Encoding.DER)
        for path in paths
        for each in x509.load_pem_x509_certificates(path.read_bytes())
    )


def with_chain(leaf: Leaf, *links: Path) -> ssl.SSLContext:
    """Serve the leaf and what follows it."""
    whole = leaf.certificate.with_suffix(".chain")
    whole.write_bytes(b"".join(path.read_bytes() for path in (leaf.certificate, *links)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(whole, leaf.key)
    return context


async def probe(prober: Prober, url: str, **changes: object) -> Result:
    return await prober.probe(Monitor(1, url, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
async def test_the_chain_is_what_the_server_sent(
    prober: Prober, authority: TestAuthority, version: str
) -> None:
    leaf = authority.issue("127.0.0.1")
    tls = with_chain(leaf, authority.path, authority.path)
    tls.minimum_version = tls.maximum_version = ssl.TLSVersion[f"TLSv{version.replace('.', '_')}"]
    tls.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305")
    async with serve(answer(), tls=tls) as target:
        result = await probe(prober, target.url(scheme="https"))
    assert result.outcome is Outcome.UP
    handshake = result.exchanges[0].handshake
    assert handshake is not None
    assert handshake == result.handshake
    assert handshake.version == version
    expected = {"1.2": ["ECDHE-ECDSA-CHACHA20-POLY1305"], "1.3": [c["name"] for c in _tls_13(tls)]}
    assert handshake.cipher in expected[version]
    sent = der(leaf.certificate, authority.path, authority.path)
    assert handshake.chain.certificates == sent
    assert handshake.chain.sha256 == hashlib.sha256(b"".join(sent)).digest()
    assert handshake.chain.expires_at_us == leaf.expires_at.timestamp() * 1_000_000


def _tls_13(context: ssl.SSLContext) -> list[ssl._Cipher]:
    return [each for each in context.get_ciphers() if each["protocol"] == "TLSv1.3"]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
async def test_a_refused_certificate_is_seen_as_well(
    prober: Prober, tmp_path: Path, version: str
) -> None:
    leaf = TestAuthority(tmp_path, "Somebody else").issue("127.0.0.1")
    tls = leaf.server_context()
    tls.maximum_version = ssl.TLSVersion[f"TLSv{version.replace('.', '_')}"]
    async with serve(answer(), tls=tls) as target:
        result = await probe(prober, target.url(scheme="https"))
        unverified = Request(is_insecure=True)
        accepted = await probe(prober, target.url(scheme="https"), request=unverified)
    assert result.failure is not None
    assert result.failure.code == "tls_cert_untrusted"
    assert result.handshake is not None
    assert result.handshake.version == version
    assert "AES" in result.handshake.cipher
    assert result.handshake.chain.certificates == der(leaf.certificate)
    assert accepted.exchanges[0].handshake == result.handshake
    assert accepted.handshake is None


async def test_it_is_news_once_and_again_when_the_certificate_changes(
    prober: Prober, authority: TestAuthority
) -> None:
    old, new = authority.issue("127.0.0.1"), authority.issue("127.0.0.1")
    tls = old.server_context()
    told = []
    async with serve(answer(), tls=tls) as target:
        for number in range(4):
            if number == 2:
                tls.load_cert_chain(new.certificate, new.key)
            result = await probe(prober, target.url(scheme="https"))
            assert result.exchanges[0].handshake is not None
            told.append(result.handshake and result.handshake.chain.certificates)
    assert told == [der(old.certificate), None, der(new.certificate), None]


async def test_the_last_target_of_redirects_counts_and_plain_http_shows_nothing(
    prober: Prober, authority: TestAuthority
) -> None:
    leaf = authority.issue("127.0.0.1")
    async with serve(answer()) as plain:
        hop = routes({"/": respond("302 Found", f"Location: {plain.url()}")})
        async with serve(hop, tls=leaf.server_context()) as target:
            result = await probe(prober, target.url(scheme="https"))
    assert [each.handshake is None for each in result.exchanges] == [False, True]
    assert result.handshake is None


async def test_the_trace_is_over_when_the_handshake_is(
    prober: Prober, authority: TestAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds: list[int] = []
    traced = Trace.on_debug

    def on_debug(self: Trace, kind: int, data: bytes) -> None:
        kinds.append(kind)
        traced(self, kind, data)

    monkeypatch.setattr(Trace, "on_debug", on_debug)
    tls = authority.issue("127.0.0.1").server_context()
    body = respond("200 OK", body=b"x" * 2_000_000)
    async with serve(answer(body, wait_s=0.05), tls=tls) as target:
        result = await probe(prober, target.url(scheme="https"))
    assert result.exchanges[0].body_bytes == 2_000_000
    assert 0 < len(kinds) < 80
    async with serve(answer()) as target:
        kinds.clear()
        await probe(prober, target.url())
    assert kinds == []


@pytest.mark.parametrize(
    "message",
    [
        b"\x0b\0\0\1\0",
        b"\x0b\0\0\4\0\0\0\0",
        b"\x0b\0\0\x09\0\0\0\5\0\0\x30\1\2",
        b"\x0b\0\0\x06\0\0\3\0\0\0",
        b"\x0b" + b"\xff" * 300,
        b"\x0b\0\xff\xff" + b"\0" * 60_000,
    ],
)
def test_a_message_that_makes_no_sense_ends_quickly(message: bytes) -> None:
    trace = Trace()
    trace.on_debug(3, message)
    trace.on_debug(5, message)
    handshake = trace.handshake()
    if handshake is not None:
        assert len(handshake.chain.certificates) <= CERTIFICATES_MAX
        assert handshake.chain.expires_at_us is None


@pytest.mark.parametrize(
    ("told", "number"),
    [
        ((b"sendmsg() returned -1 (errno 111)\n",), errno.ECONNREFUSED),
        ((b"QUIC: connection to 192.0.2.1 port 443 refused\n",), errno.ECONNREFUSED),
        ((b"sendmsg() returned -1 (errno 101)\n",), errno.ENETUNREACH),
        ((b"sendmsg() returned -1 (errno 101)\n", b"  Trying 192.0.2.1:443...\n"), 0),
        ((b"QUIC connect to 192.0.2.1 port 443 failed: Failed sending data to the peer\n",), 0),
    ],
)
def test_the_last_attempt_over_quic_tells_which_system_call_failed(
    told: tuple[bytes, ...], number: int
) -> None:
    trace = Trace()
    for words in told:
        trace.on_debug(0, words)
    assert trace.os_errno == number
    trace.forget()
    assert trace.os_errno == 0
