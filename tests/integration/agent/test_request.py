"""What is asked, as real servers receive it; what is expected, held against what they answer."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import random
import socket
import time
from dataclasses import astuple, replace
from ipaddress import ip_network

import pytest

from agent.authorities import system_bundle
from agent.content import Content
from agent.engine import Engine
from agent.guard import Guard
from agent.phases import last_phase
from agent.probe import Prober
from agent.resolver import Resolver
from agent.result import Assertion, Monitor, Outcome, Request, Result
from tests.support import targets
from tests.support.certificates import Leaf, TestAuthority
from tests.support.dns_server import Zone, serve_dns
from tests.support.recorder import Recorder
from tests.support.targets import Connection, answer, respond, routes, serve
from vantage.url import target_of

LOOPBACK = [ip_network("127.0.0.0/8"), ip_network("::1/128")]


def check(result: Result) -> None:
    for exchange in result.exchanges:
        assert sum(us or 0 for us in astuple(exchange.phases)) == exchange.total_us
    assert result.redirect_us + result.exchanges[-1].total_us == result.total_us
    assert (result.failure is None) == (result.outcome is Outcome.UP)


async def probe(prober: Prober, url: str, *assertions: Assertion, **rest: object) -> Result:
    monitor = replace(Monitor(7, url, timeout_us=5_000_000, assertions=assertions), **rest)  # type: ignore[arg-type]
    result = await prober.probe(monitor)
    check(result)
    return result


def failed(result: Result, outcome: Outcome = Outcome.DOWN) -> tuple[str, str]:
    assert result.outcome is outcome, result
    assert result.failure is not None
    return result.failure.code, result.failure.detail


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("body", [b"", b"\x00binary\xff", b"x" * 65536])
async def test_every_method_with_and_without_a_body(
    prober: Prober, method: str, body: bytes
) -> None:
    if method == "HEAD":
        body = b""
    recorder = Recorder()
    async with serve(recorder) as target:
        result = await probe(prober, target.url("/a"), request=Request(method=method, body=body))
    assert result.outcome is Outcome.UP
    [received] = recorder.received
    assert received.line == f"{method} /a HTTP/1.1"
    assert received.body == body
    assert "expect" not in received.headers
    if not body:
        expected = "0" if method in ("POST", "PUT", "PATCH") else None
        assert received.headers.get("content-length") == expected
    assert all(us is not None for us in astuple(result.exchanges[0].phases)[3:])


async def test_headers_are_sent_as_they_are(prober: Prober) -> None:
    headers = (("X-Key", "a: b"), ("X-Empty", ""), ("User-Agent", "mine/1"), ("Host", "other"))
    recorder = Recorder()
    async with serve(recorder) as target:
        await probe(prober, target.url(), request=Request(headers=headers))
    [received] = recorder.received
    assert {name.lower(): value for name, value in headers}.items() <= received.headers.items()


PLAIN = {"host", "user-agent", "accept", "accept-encoding"}
REQUESTS = [
    Request(),
    Request(method="HEAD"),
    Request(method="POST", body=b"one"),
    Request(method="DELETE", headers=(("X-Key", "secret"),)),
    Request(method="PUT", body=b"two", headers=(("Content-Type", "text/plain"),)),
    Request(is_uncompressed=True),
    Request(http_version="1.1"),
]


async def test_nothing_of_one_request_leaks_into_the_next(prober: Prober) -> None:
    """Every request after every other, through the same pooled handle."""
    recorder = Recorder()
    pairs = list(itertools.permutations(REQUESTS, 2))
    looking = Assertion("body_contains", expected="hello")
    async with serve(recorder) as target:
        for first, second in pairs:
            for request in (first, second):
                assertions = () if request.method == "HEAD" or request.body else (looking,)
                result = await probe(prober, target.url(), *assertions, request=request)
                assert result.outcome is Outcome.UP, result
    for request, received in zip(itertools.chain(*pairs), recorder.received, strict=True):
        assert received.line == f"{request.method} / HTTP/1.1"
        assert received.body == request.body
        own = {name.lower() for name, _ in request.headers}
        if request.body:
            own |= {"content-length", "content-type"}
        usual = PLAIN - ({"accept-encoding"} if request.is_uncompressed else set())
        assert received.headers.keys() == usual | own
        if request.headers == () and request.body:
            assert received.headers["content-type"] == "application/x-www-form-urlencoded"


async def test_what_was_kept_is_not_added_to(prober: Prober) -> None:
    engine = Engine(Guard(LOOPBACK), system_bundle(), None)
    content = Content()
    async with serve(answer()) as target:
        aim = target_of(target.url())
        assert aim.address is not None
        for keeps in (content, None):
            transfer = await engine.exchange(aim, [aim.address], 1_000_000, content=keeps)
            assert transfer.error is None
    assert (bytes(content.body), len(content.headers)) == (b"hello", 2)
    await engine.close()


async def test_a_certificate_is_checked_again_after_a_monitor_that_does_not(
    prober: Prober, authority: TestAuthority
) -> None:
    leaf = authority.issue("127.0.0.1", is_self_signed=True)
    insecure = Request(is_insecure=True)
    async with serve(answer(), tls=leaf.server_context()) as target:
        url = target.url(scheme="https")
        for _ in range(2):
            result = await probe(prober, url, Assertion("cert_days", at_least=1), request=insecure)
            assert result.outcome is Outcome.UP
            assert result.exchanges[0].cert_expires_at_us is not None
            assert failed(await probe(prober, url))[0] == "tls_cert_self_signed"


async def test_the_http_version_that_is_wanted_is_spoken(prober: Prober, good: Leaf) -> None:
    both = good.server_context(alpn=("h2", "http/1.1"))
    async with serve(targets.http2, tls=both) as modern:
        url = modern.url(scheme="https")
        for request in (Request(http_version="2"), Request()):
            result = await probe(
                prober, url, Assertion("http_version", expected="2"), request=request
            )
            assert result.outcome is Outcome.UP
        version = Assertion("http_version", expected="1.1")
        assert failed(await probe(prober, url, version)) == (
            "assertion_http_version",
            "HTTP version 1.1 expected, found 2",
        )
    async with serve(answer(), tls=good.server_context(alpn=("h2", "http/1.1"))) as old:
        # It would speak HTTP/2, did we offer it.
        url = old.url(scheme="https")
        result = await probe(prober, url, version, request=Request(http_version="1.1"))
        assert result.outcome is Outcome.UP
    async with serve(answer(), tls=good.server_context(alpn=("http/1.1",))) as old:
        url = old.url(scheme="https")
        result = await probe(prober, url, request=Request(http_version="2"))
        assert result.outcome is Outcome.DOWN
        assert result.failure is not None
        assert result.failure.code in ("tls_handshake", "http_protocol", "tls_reset"), result
    async with serve(targets.http2) as clear:
        result = await probe(prober, clear.url(), request=Request(http_version="2"))
        assert (result.outcome, result.exchanges[0].http_version) == (Outcome.UP, "2")


async def test_compression_is_asked_for_or_not(prober: Prober) -> None:
    async def behave(connection: Connection) -> None:
        head = await connection.reader.readuntil(b"\r\n\r\n")
        text = b"needle " * 100
        if b"gzip" in head:
            packed = gzip.compress(text)
            await connection.send(respond("200 OK", "Content-Encoding: gzip", body=packed))
        else:
            await connection.send(respond("200 OK", body=text))

    contains = Assertion("body_contains", expected="needle needle")
    async with serve(behave) as target:
        small = await probe(prober, target.url(), contains, Assertion("size", at_most=100))
        large = await probe(
            prober,
            target.url(),
            contains,
            Assertion("size", at_least=700, at_most=700),
            request=Request(is_uncompressed=True),
        )
    assert (small.outcome, large.outcome) == (Outcome.UP, Outcome.UP)


@pytest.mark.parametrize(("ip_version", "host"), [(4, "127.0.0.1"), (6, "::1")])
async def test_only_the_family_that_is_wanted_is_used(
    authority: TestAuthority, ip_version: int, host: str
) -> None:
    zone = Zone({"A": ["127.0.0.1"], "AAAA": ["::1"]})
    async with serve_dns(
        {"both.example": zone, "four.example": Zone({"A": ["127.0.0.1"]})}
    ) as names:
        families = [socket.AF_INET, socket.AF_INET6]
        prober = Prober(
            allow_networks=LOOPBACK, resolver=Resolver(servers=[names.at], families=families)
        )
        network = Assertion("network", expected=f"{host}/{32 if ip_version == 4 else 128}")
        async with serve(answer(), host=host) as target:
            for name in ("both.example", "localhost"):
                url = target.url(host=name)
                result = await probe(prober, url, network, ip_version=ip_version)
                assert result.outcome is Outcome.UP, result
        assert len(names.queries) == 1
        result = await probe(prober, "http://four.example:1/", ip_version=6)
        assert failed(result)[0] == "dns_no_address"
        result = await probe(prober, "http://127.0.0.1:1/", ip_version=6)
        assert failed(result) == ("dns_no_address", "127.0.0.1 is no IPv6 address")
        assert last_phase(result.exchanges[0].phases) == ""
        await prober.close()


SECRET = (("X-Api-Key", "secret"), ("Host", "inside"))


async def test_headers_follow_redirects_within_the_origin_only(prober: Prober) -> None:
    elsewhere = Recorder()
    async with serve(elsewhere) as other:
        home = Recorder(
            {
                "/": respond("302 Found", "Location: /two"),
                "/two": respond("302 Found", f"Location: {other.url('/end')}"),
            }
        )
        # Back at home the headers are gone: who sent us there is a stranger.
        async with serve(home) as target:
            elsewhere.responses["/end"] = respond("302 Found", f"Location: {target.url('/back')}")
            result = await probe(prober, target.url(), request=Request(headers=SECRET))
    assert result.outcome is Outcome.UP
    keys = [each.headers.get("x-api-key") for each in (*home.received, *elsewhere.received)]
    assert keys == ["secret", "secret", None, None]
    assert elsewhere.received[0].headers["host"] == f"127.0.0.1:{other.port}"


async def test_a_post_is_redirected_as_browsers_do_and_its_body_stays_home(prober: Prober) -> None:
    elsewhere = Recorder()
    async with serve(elsewhere) as other:
        home = Recorder(
            {
                "/303": respond("303 See Other", "Location: /end"),
                "/308": respond("308 Permanent Redirect", "Location: /end"),
                "/away": respond("307 Temporary Redirect", f"Location: {other.url()}"),
            }
        )
        post = Request(method="POST", body=b"secret")
        async with serve(home) as target:
            for path in ("/303", "/308"):
                result = await probe(prober, target.url(path), request=post)
                assert result.outcome is Outcome.UP
            code, detail = failed(await probe(prober, target.url("/away"), request=post))
    assert [(each.line.split(" ")[0], each.body) for each in home.received] == [
        ("POST", b"secret"),
        ("GET", b""),
        *[("POST", b"secret")] * 3,
    ]
    assert code == "redirect_invalid"
    assert "would send the body of the POST to another origin" in detail
    assert other.connections == 0


JSON = respond(
    "200 OK", "Content-Type: application/json", body=b'{"status": "ok", "queue": {"length": 7}}'
)


async def test_what_is_expected_holds(prober: Prober, good: Leaf) -> None:
    async with serve(answer(JSON), tls=good.server_context()) as target:
        url = target.url("/health", scheme="https")
        result = await probe(
            prober,
            url,
            Assertion("status", expected="200"),
            Assertion("header_equals", "content-type", "application/json"),
            Assertion("json_equals", "$.status", '"ok"'),
            Assertion("body_matches", expected=r'"length": \d+'),
            Assertion("cert_days", at_least=1),
            Assertion("limit", "total", at_most=5_000_000),
            Assertion("url", expected=url),
            Assertion("network", expected="127.0.0.0/8"),
        )
    assert (result.outcome, result.failure) == (Outcome.UP, None)


async def test_each_failing_assertion_is_named_with_what_was_found(prober: Prober) -> None:
    async with serve(answer(JSON)) as target:
        result = await probe(
            prober,
            target.url(),
            Assertion("limit", "total", at_most=1, degrades=True),
            Assertion("json_equals", "$.status", '"ok"'),
            Assertion("json_equals", "$.queue.length", "0"),
            Assertion("header_present", "X-Frame-Options"),
            Assertion("cert_days", at_least=7),
        )
    code, detail = failed(result)
    assert code == "assertion_json"
    parts = detail.split("; ")
    assert parts[:3] == [
        "JSON $.queue.length equal to 0 expected, found 7",
        "header X-Frame-Options expected, not found",
        "certificate good for at least 7 days expected, there is none",
    ]
    # What is grave comes first.
    assert parts[3].startswith("total took ")


async def test_what_only_degrades_degrades(prober: Prober) -> None:
    async with serve(answer(wait_s=0.05)) as target:
        wait = Assertion("limit", "wait", at_most=20_000, degrades=True)
        result = await probe(prober, target.url(), wait, slow_us=30_000)
        code, detail = failed(result, Outcome.DEGRADED)
        assert code == "assertion_limit"
        assert "wait took " in detail
        assert "the limit is 20.0 ms; " in detail
        result = await probe(prober, target.url(), replace(wait, degrades=False))
        assert failed(result)[0] == "assertion_limit"


async def test_a_status_set_replaces_the_usual_one(prober: Prober) -> None:
    responses = {
        "/": respond("302 Found", "Location: /gone"),
        "/gone": respond("410 Gone"),
        "/ok": targets.OK,
    }
    gone = Assertion("status", expected="404,410")
    async with serve(routes(responses)) as target:
        assert (await probe(prober, target.url(), gone)).outcome is Outcome.UP
        assert failed(await probe(prober, target.url())) == ("http_status", "HTTP 410 Gone")
        code, detail = failed(await probe(prober, target.url("/ok"), gone))
        assert (code, detail) == ("assertion_status", "status 404,410 expected, found 200")
        result = await probe(prober, target.url(), gone, max_redirects=0)
        assert failed(result)[1] == "status 404,410 expected, found 302"


async def test_a_page_of_errors_is_named_first_and_its_words_too(prober: Prober) -> None:
    async with serve(answer(respond("503 Busy", body=b"later"))) as target:
        result = await probe(prober, target.url(), Assertion("body_contains", expected="hello"))
    code, detail = failed(result)
    assert code == "http_status"
    assert detail == (
        'HTTP 503 Service Unavailable; body containing "hello" expected, not found in 5 bytes'
    )


async def test_a_broken_transfer_is_not_judged(prober: Prober) -> None:
    async with serve(targets.reset_receiving) as target:
        result = await probe(prober, target.url(), Assertion("body_contains", expected="bye"))
    assert failed(result)[0] == "reset_receive"
    assert result.failure is not None
    assert "bye" not in result.failure.detail


async def test_a_catastrophic_expression_stops_neither_the_loop_nor_the_clock(
    prober: Prober,
) -> None:
    """RE2 falls back to its slow automaton here: a good second for this body, on another thread."""
    slow = Assertion("body_matches", expected="[ab]*a[ab]{400}c")
    body = bytes(random.Random(1).choices(b"ab", k=512 * 1024))
    left = asyncio.Event()
    left_s = 0.0

    async def give_and_see_off(connection: Connection) -> None:
        nonlocal left_s
        await connection.request()
        await connection.send(respond("200 OK", body=body))
        await connection.reader.read()
        left_s = time.perf_counter()
        left.set()

    async with serve(give_and_see_off) as heavy, serve(answer()) as light:
        began_s = time.perf_counter()
        judging = asyncio.create_task(probe(prober, heavy.url(), slow))
        await left.wait()
        beside = 0
        while not judging.done():
            await probe(prober, light.url())
            beside += 1
        result = await judging
    assert failed(result)[0] == "assertion_body"
    # Judging is in no phase and not in the total.
    assert result.total_us <= (left_s - began_s) * 1e6
    assert beside > 5


async def test_a_body_is_kept_up_to_a_mebibyte(prober: Prober) -> None:
    body = b"<p>" + b"x" * (2 * 1024 * 1024) + b"</p>"
    start = Assertion("body_contains", expected="<p>")
    end = Assertion("body_contains", expected="</p>")
    async with serve(answer(respond("200 OK", body=body))) as target:
        assert (await probe(prober, target.url(), start)).outcome is Outcome.UP
        code, detail = failed(await probe(prober, target.url(), end))
    assert code == "assertion_body"
    assert detail.endswith("not found in its first 1048576 bytes")


async def test_the_head_of_an_interim_response_is_none_of_the_final_one_s(prober: Prober) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n"
    present = Assertion("header_present", "X-Early")
    async with serve(answer(early + JSON)) as target:
        assert failed(await probe(prober, target.url(), present))[0] == "assertion_header"
        result = await probe(prober, target.url(), Assertion("header_present", "Content-Type"))
        assert result.outcome is Outcome.UP
