"""Real libcurl against real servers: every failure that can be provoked, and what surrounds it."""

from __future__ import annotations

import asyncio
import gzip
import os
import resource
import socket
import time
from contextlib import ExitStack
from dataclasses import astuple
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from agent.errors import FatalError
from agent.phases import last_phase
from agent.probe import Prober
from agent.resolver import Resolver
from agent.result import Monitor, Outcome, Result
from tests.support import targets
from tests.support.certificates import Leaf, TestAuthority
from tests.support.dns_server import Zone, serve_dns
from tests.support.targets import Behaviour, answer, paced, respond, routes, serve

LOOPBACK = [ip_network("127.0.0.0/8")]
TIMEOUT_US = 1_000_000
# How much later than it should a busy machine may let anything happen.
BUSY_US = 2_000_000


def monitor(url: str, *, timeout_us: int = 5_000_000, **rest: Any) -> Monitor:
    return Monitor(7, url, timeout_us=timeout_us, **rest)


def check(result: Result) -> None:
    """What is true of every result, whatever it found."""
    for exchange in result.exchanges:
        assert sum(us or 0 for us in astuple(exchange.phases)) == exchange.total_us
    last = result.exchanges[-1]
    assert result.redirect_us + last.total_us == result.total_us
    assert (result.redirect_us == 0) == (len(result.exchanges) == 1)
    assert (result.failure is None) == (result.outcome is Outcome.UP)


def assert_failed(result: Result, code: str, phase: str) -> None:
    check(result)
    assert result.failure is not None, result
    assert (result.failure.code, last_phase(result.exchanges[-1].phases)) == (code, phase), result
    assert result.outcome is Outcome.DOWN
    assert result.failure.detail


def assert_timed_out(result: Result) -> None:
    assert TIMEOUT_US - 2_000 <= result.total_us < TIMEOUT_US + BUSY_US


def raw(response: bytes) -> Behaviour:
    return answer(response)


GZIPPED = respond(
    "200 OK", "Content-Encoding: gzip", body=gzip.compress(bytes(20 * 1024 * 1024), 9)
)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

BAD_RESPONSES = [
    ("silent", targets.silent, "timeout_wait", "wait"),
    ("hangs", targets.hang_receiving, "timeout_receive", "receive"),
    ("resets", targets.reset_waiting, "reset_wait", "wait"),
    ("resets late", targets.reset_receiving, "reset_receive", "receive"),
    ("hangs up", raw(b""), "empty_response", "wait"),
    ("no HTTP", raw(b"hello\r\n\r\n"), "http_protocol", "wait"),
    ("no status", raw(b"HTTP/1.1 abc\r\n\r\n"), "http_protocol", "wait"),
    ("bad chunk", raw(CHUNKED + b"zz\r\n"), "http_protocol", "receive"),
    ("short chunks", raw(CHUNKED + b"5\r\nhel"), "truncated_body", "receive"),
    ("short", raw(targets.OK.replace(b": 5", b": 50")), "truncated_body", "receive"),
    (
        "no gzip",
        raw(respond("200 OK", "Content-Encoding: gzip", body=b"hello")),
        "bad_encoding",
        "receive",
    ),
    ("bomb", raw(GZIPPED), "body_too_large", "receive"),
    ("endless", targets.endless_body, "body_too_large", "receive"),
    ("chunk extension", targets.endless_chunk_extension, "body_too_large", "receive"),
    ("headers", targets.endless_headers, "headers_too_large", "receive"),
    ("503", raw(respond("503 Busy")), "http_status", "receive"),
    ("404", raw(respond("404 Not Found")), "http_status", "receive"),
    ("loop", raw(respond("302 Found", "Location: /")), "too_many_redirects", "receive"),
    ("ftp", raw(respond("302 Found", "Location: ftp://a.example/")), "redirect_invalid", "receive"),
    ("bad host", raw(respond("302 Found", "Location: http://[zz/")), "redirect_invalid", "receive"),
]


@pytest.mark.parametrize(
    ("behaviour", "code", "phase"),
    [pytest.param(*rest, id=name) for name, *rest in BAD_RESPONSES],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_bad_responses(
    prober: Prober, good: Leaf, behaviour: Behaviour, code: str, phase: str, scheme: str
) -> None:
    tls = good.server_context() if scheme == "https" else None
    async with serve(behaviour, tls=tls) as target:
        is_patient = code not in ("timeout_wait", "timeout_receive")
        result = await prober.probe(
            monitor(target.url(scheme=scheme), timeout_us=5_000_000 if is_patient else TIMEOUT_US)
        )
    assert_failed(result, code, phase)
    assert result.exchanges[-1].rtt_us is not None
    if not is_patient:
        assert_timed_out(result)


BAD_CERTIFICATES = [
    ("expired", {"begins": timedelta(-9), "ends": timedelta(-1)}, "tls_cert_expired"),
    ("early", {"begins": timedelta(1), "ends": timedelta(9)}, "tls_cert_not_yet_valid"),
    ("self-signed", {"is_self_signed": True}, "tls_cert_self_signed"),
    ("purpose", {"is_for_clients": True}, "tls_cert_invalid"),
]


@pytest.mark.parametrize(
    ("making", "code"), [pytest.param(*rest, id=name) for name, *rest in BAD_CERTIFICATES]
)
async def test_bad_certificates(
    prober: Prober, authority: TestAuthority, making: dict[str, object], code: str
) -> None:
    leaf = authority.issue("127.0.0.1", **making)  # type: ignore[arg-type]
    async with serve(answer(), tls=leaf.server_context()) as target:
        assert_failed(await prober.probe(monitor(target.url(scheme="https"))), code, "tls")


async def test_a_certificate_for_another_name(prober: Prober, authority: TestAuthority) -> None:
    leaf = authority.issue("other.example")
    async with serve(answer(), tls=leaf.server_context()) as target:
        for host in ("127.0.0.1", "localhost"):
            result = await prober.probe(monitor(target.url(scheme="https", host=host)))
            assert_failed(result, "tls_cert_name", "tls")


async def test_a_certificate_of_an_unknown_authority(prober: Prober, tmp_path: Path) -> None:
    leaf = TestAuthority(tmp_path, "Somebody else").issue("127.0.0.1")
    async with serve(answer(), tls=leaf.server_context()) as target:
        result = await prober.probe(monitor(target.url(scheme="https")))
    assert_failed(result, "tls_cert_untrusted", "tls")


async def test_a_handshake_that_is_reset_late_or_plain(prober: Prober, good: Leaf) -> None:
    tls = good.server_context()
    async with (
        serve(answer(), tls=tls, reset_tls=True) as resets,
        serve(answer(), tls=tls, hold_tls_s=5) as hangs,
        serve(raw_at_once(b"220 smtp.example ESMTP\r\n")) as plain,
    ):
        assert_failed(await prober.probe(monitor(resets.url(scheme="https"))), "tls_reset", "tls")
        result = await prober.probe(monitor(hangs.url(scheme="https"), timeout_us=TIMEOUT_US))
        assert_failed(result, "tls_timeout", "tls")
        result = await prober.probe(monitor(plain.url(scheme="https")))
        assert_failed(result, "tls_handshake", "tls")


def raw_at_once(data: bytes) -> Behaviour:
    async def behave(connection: targets.Connection) -> None:
        await connection.send(data)
        await connection.reader.read()

    return behave


async def test_a_refused_connection(prober: Prober) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    result = await prober.probe(monitor(f"http://127.0.0.1:{port}/"))
    assert_failed(result, "connect_refused", "connect")
    assert result.exchanges[-1].target_ip == ip_address("127.0.0.1").packed
    assert result.exchanges[-1].rtt_us is None


async def test_a_connection_nobody_answers(prober: Prober, full_listener: int) -> None:
    result = await prober.probe(
        monitor(f"http://127.0.0.1:{full_listener}/", timeout_us=TIMEOUT_US)
    )
    assert_failed(result, "connect_timeout", "connect")
    assert_timed_out(result)


async def test_an_address_without_a_way_to_it(authority: TestAuthority) -> None:
    # The kernel refuses TCP to a multicast address itself; nothing is sent.
    prober = Prober(allow_networks=[ip_network("224.0.0.0/4")])
    result = await prober.probe(monitor("http://224.0.0.1/"))
    assert_failed(result, "connect_unreachable", "connect")
    await prober.close()


async def test_the_source_address_is_used_or_its_lack_told() -> None:
    async with serve(answer()) as target:
        prober = Prober(allow_networks=LOOPBACK, source_address="127.0.0.3")
        result = await prober.probe(monitor(target.url()))
        assert result.outcome is Outcome.UP
        assert result.exchanges[0].local_ip == ip_address("127.0.0.3").packed
        await prober.close()
        prober = Prober(allow_networks=LOOPBACK, source_address="192.0.2.77")
        result = await prober.probe(monitor(target.url()))
        assert_failed(result, "source_unavailable", "connect")
        await prober.close()


async def test_an_unusable_url_is_a_result(prober: Prober) -> None:
    result = await prober.probe(monitor("gopher://a.example/"))
    assert_failed(result, "url_invalid", "")


async def test_a_good_response_carries_everything(prober: Prober, good: Leaf) -> None:
    before_us = time.time_ns() // 1000
    async with serve(answer(), tls=good.server_context()) as target:
        result = await prober.probe(
            monitor(target.url("/x", scheme="https")), slot_at_us=123, delay_us=45
        )
    check(result)
    assert result.outcome is Outcome.UP
    assert (result.monitor_id, result.slot_at_us, result.delay_us) == (7, 123, 45)
    assert before_us <= result.started_at_us <= time.time_ns() // 1000
    (exchange,) = result.exchanges
    assert exchange.url == target.url("/x", scheme="https")
    assert exchange.phases.dns_us is None
    assert all(us is not None for us in astuple(exchange.phases)[1:])
    assert (exchange.http_status, exchange.http_version) == (200, "1.1")
    assert (exchange.header_bytes, exchange.body_bytes) == (len(targets.OK) - 5, 5)
    assert exchange.target_ip == exchange.local_ip == ip_address("127.0.0.1").packed
    assert exchange.target_port == target.port
    assert exchange.rtt_us is not None
    assert exchange.cert_expires_at_us == good.expires_at.timestamp() * 1_000_000


async def test_http2_is_negotiated(prober: Prober, good: Leaf) -> None:
    tls = good.server_context(alpn=("h2", "http/1.1"))
    async with serve(targets.http2, tls=tls) as target:
        result = await prober.probe(monitor(target.url(scheme="https")))
    check(result)
    assert result.outcome is Outcome.UP
    assert result.exchanges[0].http_version == "2"
    assert result.exchanges[0].body_bytes == 5


async def test_slow_is_degraded(prober: Prober) -> None:
    async with serve(answer(wait_s=0.05)) as target:
        result = await prober.probe(monitor(target.url(), slow_us=20_000))
        assert (await prober.probe(monitor(target.url(), slow_us=5_000_000))).failure is None
    check(result)
    assert result.outcome is Outcome.DEGRADED
    assert result.failure is not None
    assert result.failure.code == "too_slow"
    assert "the limit is 20.0 ms" in result.failure.detail


async def test_every_connection_is_new(prober: Prober, good: Leaf) -> None:
    async with serve(paced(wait_s=0, receive_s=0), tls=good.server_context()) as target:
        for _ in range(3):
            result = await prober.probe(monitor(target.url(scheme="https")))
            assert result.exchanges[0].phases.tls_us
        assert target.connections == 3


async def test_redirects_are_exchanges_of_their_own(prober: Prober, good: Leaf) -> None:
    async with serve(answer(wait_s=0.03), tls=good.server_context()) as end:
        hops = {
            "/": respond("301 Moved", "Location: /two"),
            "/two": respond("302 Found", f"Location: {end.url('/end?a=b#c', scheme='https')}"),
        }
        async with serve(routes(hops)) as start:
            result = await prober.probe(monitor(start.url()))
    check(result)
    assert result.outcome is Outcome.UP
    assert [each.url for each in result.exchanges] == [
        start.url(),
        start.url("/two"),
        end.url("/end?a=b", scheme="https"),
    ]
    assert [each.http_status for each in result.exchanges] == [301, 302, 200]
    assert [each.phases.tls_us is None for each in result.exchanges] == [True, True, False]
    assert result.redirect_us >= sum(each.total_us for each in result.exchanges[:-1])


async def test_a_redirect_that_is_not_to_be_followed_is_judged_itself(prober: Prober) -> None:
    async with serve(routes({"/": respond("302 Found", "Location: /x")})) as target:
        result = await prober.probe(monitor(target.url(), max_redirects=0))
        assert (result.outcome, len(result.exchanges)) == (Outcome.UP, 1)
        # One is followed, and what it leads to is judged.
        result = await prober.probe(monitor(target.url(), max_redirects=1))
        assert_failed(result, "http_status", "receive")
        assert target.connections == 3


async def test_the_limit_of_redirects_is_exact(prober: Prober) -> None:
    async with serve(raw(respond("302 Found", "Location: /"))) as target:
        result = await prober.probe(monitor(target.url(), max_redirects=3))
        assert_failed(result, "too_many_redirects", "receive")
        assert target.connections == len(result.exchanges) == 4


async def test_the_time_limit_covers_all_hops(prober: Prober) -> None:
    async with serve(answer(respond("302 Found", "Location: /"), wait_s=0.15)) as target:
        result = await prober.probe(monitor(target.url(), timeout_us=TIMEOUT_US))
    assert_failed(result, "timeout_wait", "wait")
    # And not the ten that may be followed: each hop takes its 150 ms of the same time.
    assert len(result.exchanges) <= TIMEOUT_US // 150_000 + 1
    assert_timed_out(result)


async def test_names_go_by_our_resolver_and_keep_sni(authority: TestAuthority, good: Leaf) -> None:
    zones = {"target.example": Zone({"A": ["127.0.0.1"]}, delay_s=0.03)}
    async with serve_dns(zones) as names, serve(answer(), tls=good.server_context()) as target:
        resolver = Resolver(servers=[names.at], families=[socket.AF_INET])
        prober = Prober(allow_networks=LOOPBACK, trust_ca=authority.path, resolver=resolver)
        for _ in range(2):
            result = await prober.probe(monitor(target.url(scheme="https", host="target.example")))
            check(result)
            assert result.outcome is Outcome.UP
            dns_us = result.exchanges[0].phases.dns_us
            assert dns_us is not None
            assert 30_000 <= dns_us < 30_000 + BUSY_US
        assert len(names.queries) == 2
        await prober.close()


async def test_an_answer_is_used_once_and_all_its_addresses_are_tried() -> None:
    zone = Zone({"A": ["127.0.0.2"]})
    async with serve_dns({"target.example": zone}) as names, serve(answer()) as target:
        resolver = Resolver(servers=[names.at], families=[socket.AF_INET])
        prober = Prober(allow_networks=LOOPBACK, resolver=resolver)
        probed = monitor(target.url(host="target.example"))
        assert_failed(await prober.probe(probed), "connect_refused", "connect")
        zone.records = {"A": ["127.0.0.2", "127.0.0.1"]}
        result = await prober.probe(probed)
        assert result.outcome is Outcome.UP
        assert result.exchanges[0].target_ip == ip_address("127.0.0.1").packed
        await prober.close()


async def test_a_name_that_does_not_exist(prober: Prober) -> None:
    async with serve_dns({}) as names:
        prober = Prober(resolver=Resolver(servers=[names.at]))
        result = await prober.probe(monitor("https://nosuch.example/"))
        assert_failed(result, "dns_nxdomain", "dns")
        assert result.exchanges[0].target_ip == b""
        await prober.close()


async def test_a_silent_name_server_ends_in_time() -> None:
    async with serve_dns({"slow.example": Zone(silent=99)}) as names:
        prober = Prober(resolver=Resolver(servers=[names.at]))
        result = await prober.probe(monitor("https://slow.example/", timeout_us=TIMEOUT_US))
        assert_failed(result, "dns_timeout", "dns")
        assert_timed_out(result)
        await prober.close()


async def test_a_proxy_in_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(answer()) as proxy, serve(answer()) as target:
        for name in ("http_proxy", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        prober = Prober(allow_networks=LOOPBACK)
        assert (await prober.probe(monitor(target.url()))).outcome is Outcome.UP
        assert (proxy.connections, target.connections) == (0, 1)
        await prober.close()


async def test_cancelling_leaves_nothing_behind(prober: Prober) -> None:
    async with serve(targets.silent) as target:
        await prober.probe(monitor(target.url(), timeout_us=10_000))
        before = open_files()
        probes = [asyncio.create_task(prober.probe(monitor(target.url()))) for _ in range(20)]
        await asyncio.sleep(0.05)
        assert open_files() > before
        for probe in probes:
            probe.cancel()
        ended = await asyncio.gather(*probes, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in ended)
    await asyncio.sleep(0.05)
    assert open_files() <= before
    async with serve(answer()) as target:
        assert (await prober.probe(monitor(target.url()))).outcome is Outcome.UP


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counts descriptors, opens one


async def test_closing_ends_what_is_in_flight() -> None:
    prober = Prober(allow_networks=LOOPBACK)
    async with serve(targets.silent) as target:
        probe = asyncio.create_task(prober.probe(monitor(target.url())))
        await asyncio.sleep(0.05)
        await prober.close()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(20):
                await probe


async def test_descriptors_above_those_of_select(prober: Prober) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))
    with ExitStack() as held:
        for _ in range(1100):
            held.callback(os.close, os.open("/dev/null", os.O_RDONLY))
        async with serve(answer(wait_s=0.1)) as target:
            probes = [prober.probe(monitor(target.url())) for _ in range(100)]
            results = await asyncio.gather(*probes)
    assert {result.outcome for result in results} == {Outcome.UP}
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_blocked_loop_makes_a_result_suspect(prober: Prober) -> None:
    async with serve(answer(wait_s=0.05)) as target:
        probe = asyncio.create_task(prober.probe(monitor(target.url())))
        await asyncio.sleep(0.02)
        time.sleep(0.15)  # noqa: ASYNC251 - blocking the loop is the point
        result = await probe
    assert result.suspect
    assert result.lag_us >= 100_000


def test_unusable_authorities_stop_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.pem").write_text("no certificate")
    with pytest.raises(FatalError, match=r"empty\.pem"):
        Prober(trust_ca=tmp_path / "empty.pem")
    with pytest.raises(FatalError, match=r"missing\.pem"):
        Prober(trust_ca=tmp_path / "missing.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    with pytest.raises(FatalError, match="SSL_CERT_FILE"):
        Prober()
