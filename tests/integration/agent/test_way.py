"""By which way a target is reached: a proxy, an address, a name server; and what guards it."""

from __future__ import annotations

import socket
import ssl
from ipaddress import ip_address, ip_network

import pytest

from agent.probe import Prober
from agent.resolver import Resolver
from agent.result import Assertion, Outcome, Proxy, Request
from tests.support import targets
from tests.support.certificates import Leaf, TestAuthority
from tests.support.dns_server import Zone, serve_dns
from tests.support.probing import LOOPBACK, failed, probe
from tests.support.proxies import HttpProxy, SocksProxy
from tests.support.recorder import Recorder
from tests.support.targets import answer, respond, serve


def through(url: str, *login: str) -> Request:
    return Request(proxy=Proxy(url, *login))


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_http_proxy_is_what_is_connected_to(
    prober: Prober, good: Leaf, scheme: str
) -> None:
    recorder, proxy = Recorder(), HttpProxy(hold_s=0.05)
    tls = good.server_context() if scheme == "https" else None
    looking = Assertion("header_present", name="X-Proxy")
    async with serve(recorder, tls=tls) as target, serve(proxy) as way:
        proxy.hosts["target.example"] = target.port
        url = target.url("/a?b", scheme=scheme, host="target.example")
        request = through(way.url().rstrip("/"), "me", "word")
        result = await probe(prober, url, request=request)
        assert result.outcome is Outcome.UP, result
        assert (await probe(prober, url, request=request, assertions=(looking,))).failure
    [exchange] = result.exchanges
    assert (exchange.target_ip, exchange.target_port) == (ip_address("127.0.0.1").packed, way.port)
    line, headers = proxy.asked[0]
    assert headers["proxy-authorization"] == "Basic bWU6d29yZA=="
    assert recorder.received[0].line == "GET /a?b HTTP/1.1"
    assert recorder.received[0].headers["host"] == f"target.example:{target.port}"
    # Making the tunnel is part of the handshake that follows it; without one it is the wait.
    slow = exchange.phases.tls_us if scheme == "https" else exchange.phases.wait_us
    assert slow is not None
    assert slow >= 50_000
    if scheme == "https":
        assert line == f"CONNECT target.example:{target.port} HTTP/1.1"
        assert "proxy-authorization" not in recorder.received[0].headers
        assert exchange.header_bytes > len(targets.OK) - 5  # the proxy's are among them
        assert exchange.cert_expires_at_us == good.expires_at.timestamp() * 1_000_000
    else:
        assert line == f"GET {url} HTTP/1.1"


async def test_a_proxy_that_speaks_tls(prober: Prober, good: Leaf) -> None:
    proxy = HttpProxy()
    async with serve(Recorder()) as target, serve(proxy, tls=good.server_context()) as way:
        proxy.hosts["target.example"] = target.port
        url = target.url(host="target.example")
        by_tls = through(f"https://127.0.0.1:{way.port}")
        result = await probe(prober, url, request=by_tls)
        assert result.outcome is Outcome.UP, result
        proxy.refusal = respond("502 Bad")
        for scheme in ("http", "https"):
            result = await probe(prober, f"{scheme}://target.example/", request=by_tls)
            # The certificate that was shown is the proxy's, and no target's.
            assert result.handshake is None, scheme
        trusting_nobody = Prober(allow_networks=LOOPBACK)
        for scheme, phase in (("http", "send"), ("https", "tls")):
            url = f"{scheme}://target.example/"
            result = await probe(trusting_nobody, url, request=by_tls)
            assert failed(result) == ("tls_cert_untrusted", phase)
            assert result.handshake is None
        await trusting_nobody.close()


async def test_what_passes_a_proxy_that_speaks_tls_is_the_target_s_own(
    prober: Prober, authority: TestAuthority, good: Leaf
) -> None:
    proxy, other = HttpProxy(), authority.issue("127.0.0.1")
    async with (
        serve(answer(), tls=good.server_context()) as target,
        serve(proxy, tls=other.server_context()) as way,
    ):
        proxy.hosts["target.example"] = target.port
        url = target.url(scheme="https", host="target.example")
        result = await probe(prober, url, request=through(f"https://127.0.0.1:{way.port}"))
    assert result.outcome is Outcome.UP, result
    assert result.handshake is not None
    assert len(result.handshake.chain.certificates) == 1
    shown = ssl.DER_cert_to_PEM_cert(result.handshake.chain.certificates[0])
    assert shown in good.certificate.read_text()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_never_answers_is_no_server_that_does_not(
    prober: Prober, scheme: str
) -> None:
    """What was never asked cannot be waited for."""
    async with serve(targets.silent) as way:
        for by in ("socks5h", "https"):
            url = f"{scheme}://target.example/"
            request = through(f"{by}://127.0.0.1:{way.port}")
            result = await probe(prober, url, request=request, timeout_us=200_000)
            phase = "tls" if scheme == "https" else "send"
            code = "tls_timeout" if scheme == "https" else "timeout_send"
            assert failed(result) == (code, phase), by


async def test_a_socks_proxy_looks_the_name_up_itself(prober: Prober, good: Leaf) -> None:
    proxy = SocksProxy(login=("me", "word"))
    async with serve(answer(), tls=good.server_context()) as target, serve(proxy) as way:
        proxy.hosts["target.example"] = target.port
        url = target.url(scheme="https", host="target.example")
        socks = f"socks5h://127.0.0.1:{way.port}"
        result = await probe(prober, url, request=through(socks, "me", "word"))
        assert result.outcome is Outcome.UP, result
        assert result.exchanges[0].phases.dns_us is None
        wrong = await probe(prober, url, request=through(socks, "me", "wrong"))
        assert failed(wrong) == ("proxy_refused", "tls")
        plain = "http://target.example/"
        wrong_too = await probe(prober, plain, request=through(socks, "me", "wrong"))
        assert failed(wrong_too) == ("proxy_refused", "send")
        assert "wrong" not in ((wrong.failure and wrong.failure.detail) or "")
        unknown = "https://elsewhere.example/"
        result = await probe(prober, unknown, request=through(socks, "me", "word"))
        assert failed(result)[0] == "proxy_refused"
    assert proxy.asked == ["target.example", "elsewhere.example"]


async def test_a_proxy_s_own_name_is_the_phase_dns(authority: TestAuthority, good: Leaf) -> None:
    proxy = HttpProxy()
    zones = {"proxy.example": Zone({"A": ["127.0.0.1"]}, delay_s=0.04)}
    async with (
        serve_dns(zones) as names,
        serve(answer(), tls=good.server_context()) as target,
        serve(proxy) as way,
    ):
        proxy.hosts["target.example"] = target.port
        resolver = Resolver(servers=[names.at], families=[socket.AF_INET])
        prober = Prober(allow_networks=LOOPBACK, trust_ca=authority.path, resolver=resolver)
        url = target.url(scheme="https", host="target.example")
        result = await probe(prober, url, request=through(f"http://proxy.example:{way.port}"))
        await prober.close()
    assert result.outcome is Outcome.UP, result
    assert result.exchanges[0].phases.dns_us is not None
    assert result.exchanges[0].phases.dns_us >= 40_000
    assert {name for _, name, _ in names.queries} == {"proxy.example"}


@pytest.mark.parametrize(
    "status", ["403 Forbidden", "407 Proxy Authentication Required", "502 Bad"]
)
async def test_a_tunnel_that_a_proxy_refuses(prober: Prober, status: str) -> None:
    async with serve(HttpProxy(refusal=respond(status))) as way:
        request = through(way.url().rstrip("/"))
        result = await probe(prober, "https://target.example/", request=request)
        plain = await probe(prober, "http://target.example/", request=request)
    assert failed(result)[0] == "proxy_refused"
    assert status[:3] in ((result.failure and result.failure.detail) or "")
    assert result.exchanges[0].http_status is None
    # Only of 407 it is certain that the proxy itself says it.
    is_certain = status.startswith("407")
    assert failed(plain)[0] == ("proxy_refused" if is_certain else "http_status")


async def test_the_guard_judges_the_proxy_and_an_address_behind_it() -> None:
    prober = Prober(allow_networks=[ip_network("127.0.0.1/32")])
    async with serve(HttpProxy()) as way:
        near = through(way.url().rstrip("/"))
        result = await probe(prober, "http://169.254.169.254/latest", request=near)
        assert failed(result) == ("address_forbidden", "")
        assert way.connections == 0
        for proxy in (f"http://127.0.0.2:{way.port}", "socks5h://10.0.0.1:1080"):
            result = await probe(prober, "http://target.example/", request=through(proxy))
            assert failed(result) == ("address_forbidden", "")
    await prober.close()


async def test_no_proxy_outlives_its_monitor(prober: Prober) -> None:
    proxy, recorder = HttpProxy(), Recorder()
    async with serve(recorder) as target, serve(proxy) as way:
        for _ in range(2):
            await probe(prober, target.url(), request=through(way.url().rstrip("/"), "me", "word"))
            await probe(prober, target.url())
    assert len(proxy.asked) == 2
    assert len(recorder.received) == 4
    assert all("proxy-authorization" not in each.headers for each in recorder.received[1::2])


async def test_an_address_takes_the_place_of_the_lookup(prober: Prober, good: Leaf) -> None:
    recorder = Recorder()
    recorder.responses["/"] = respond("302 Found", "Location: /two")
    async with serve(recorder, tls=good.server_context()) as target:
        url = target.url(scheme="https", host="target.example")
        result = await probe(prober, url, connect_to="127.0.0.1")
        assert result.outcome is Outcome.UP, result
        assert [each.phases.dns_us for each in result.exchanges] == [None, None]
        assert recorder.received[1].headers["host"] == f"target.example:{target.port}"
        assert failed(await probe(prober, url, connect_to="10.0.0.1"))[0] == "address_forbidden"


async def test_another_name_server_is_asked_if_it_is_permitted(
    authority: TestAuthority, good: Leaf
) -> None:
    zones = {"target.example": Zone({"A": ["127.0.0.1"]}), "localhost.example": Zone()}
    async with serve_dns(zones) as names, serve(answer(), tls=good.server_context()) as target:
        prober = Prober(allow_networks=[ip_network("127.0.0.1/32")], trust_ca=authority.path)
        url = target.url(scheme="https", host="target.example")
        result = await probe(prober, url, name_server=names.at)
        assert result.outcome is Outcome.UP, result
        result = await probe(prober, "http://nosuch.example/", name_server=names.at)
        assert failed(result) == ("dns_nxdomain", "dns")
        result = await probe(prober, url, name_server=("10.0.0.53", 53))
        assert failed(result) == ("address_forbidden", "")
        await prober.close()


async def test_no_setting_of_a_monitor_leads_inside() -> None:
    """Customers choose the name server, and so what every name means."""
    zones = {
        "metadata.example": Zone({"A": ["169.254.169.254"], "AAAA": ["fe80::a9fe:a9fe"]}),
        "mapped.example": Zone({"AAAA": ["::ffff:10.0.0.1"]}),
        "here.example": Zone({"A": ["127.0.0.1"]}),
    }
    recorder = Recorder()
    recorder.responses["/"] = respond("302 Found", "Location: http://metadata.example/")
    prober = Prober(allow_networks=[ip_network("127.0.0.1/32")])
    async with serve_dns(zones) as names, serve(recorder) as target, serve(HttpProxy()) as way:
        own = {"name_server": names.at}
        hop = target.url(host="here.example")
        for url, settings in (
            ("http://metadata.example/", own),
            ("https://mapped.example/", own),
            ("tls://metadata.example:443", own),
            ("icmp://metadata.example", own),
            ("dns://metadata.example/a.example", own),
            (hop, own),
            (hop, {**own, "request": through("http://metadata.example:3128")}),
            (hop, {**own, "request": through("socks5h://mapped.example:1080")}),
            ("http://10.0.0.1/", {"request": through(way.url().rstrip("/"))}),
            ("http://here.example/", {"connect_to": "169.254.169.254"}),
            ("tcp://here.example:80", {"connect_to": "::ffff:169.254.169.254"}),
            ("http://here.example/", {"name_server": ("169.254.169.254", 53)}),
            ("smtp://here.example", {"name_server": ("::ffff:10.0.0.53", 53)}),
        ):
            result = await probe(prober, url, **settings)
            assert failed(result)[0] == "address_forbidden", (url, settings, result)
        assert (len(recorder.received), way.connections) == (1, 0)
    await prober.close()
