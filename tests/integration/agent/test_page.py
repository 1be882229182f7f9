"""Whole pages against a real site over HTTP/1.1 and HTTP/2, with known delays."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import astuple
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived

from agent import page
from agent.content import Content
from agent.multi import HOST_CONNECTIONS_MAX
from agent.probe import Prober
from agent.resolver import Resolver
from agent.result import Exchange, Monitor, Outcome, Proxy, Request, Result, Role
from tests.support.certificates import TestAuthority
from tests.support.dns_server import Zone, serve_dns
from tests.support.site import Site, running_site
from tests.support.targets import Connection, hold, serve

IMAGES = 12
SHEETS = 6
HELD_S = 0.3
SLOW_S = 0.1
BUSY_S = 0.05
BODY = b"x" * 20_000
HTML = (
    '<link rel=stylesheet href="/a.css"><script src="/s.js"></script>'
    + "".join(f'<img src="/{number}.png">' for number in range(IMAGES))
).encode()
CSS = b"@import 'b.css'; @font-face { src: url(f.woff2) } p { background: url(bg.png) }"
SHEETS_HTML = "".join(f"<link rel=stylesheet href={n}.css>" for n in range(SHEETS)).encode()
PAGES: dict[str, Any] = {
    "/": ("text/html", HTML, 0.05, {}),
    "/moved": ("text/html", b"", 0.0, {"status": "302", "location": "/"}),
    "/a.css": ("text/css", CSS, 0.03, {}),
    "/b.css": ("text/css", b"", 0.03, {}),
    "/s.js": ("text/javascript", b"1", 0.02, {}),
    "/f.woff2": ("font/woff2", BODY, 0.01, {}),
    "/bg.png": ("image/png", BODY, 0.01, {}),
    **{f"/{number}.png": ("image/png", BODY, 0.1, {}) for number in range(IMAGES)},
}


@pytest.fixture
def authority(tmp_path: Path) -> TestAuthority:
    return TestAuthority(tmp_path)


@pytest.fixture
async def prober(authority: TestAuthority) -> AsyncIterator[Prober]:
    prober = Prober(allow_networks=[ip_network("127.0.0.0/8")], trust_ca=authority.path)
    yield prober
    await prober.close()


@contextmanager
def page_of(html: str, **paths: Any) -> Iterator[Site]:
    with running_site({"/": ("text/html", html.encode(), 0.0, {}), **paths}) as site:
        yield site


async def probe(prober: Prober, url: str, **changes: Any) -> Result:
    result = await prober.probe(Monitor(1, url, kind="page", **changes))
    document = result.exchanges[-1]
    phases = sum(filter(None, astuple(document.phases)))
    assert phases == document.total_us
    assert result.redirect_us + phases + (result.resources_us or 0) == result.total_us
    for each in result.exchanges:
        assert sum(filter(None, astuple(each.phases))) == each.total_us
        assert each.start_us + each.total_us <= result.total_us
        connect_us = each.phases.connect_us
        assert connect_us is None or each.rtt_us is None or connect_us >= each.rtt_us, each
    return result


def resources(result: Result) -> dict[str, Exchange]:
    return {
        each.url.partition("://")[2].partition("/")[2]: each
        for each in result.exchanges
        if each.role is Role.RESOURCE
    }


@pytest.mark.parametrize("protocol", ["http", "http/1.1", "h2"])
async def test_a_page_is_fetched_as_a_browser_would(
    prober: Prober, authority: TestAuthority, protocol: str
) -> None:
    leaf = None if protocol == "http" else authority.issue("127.0.0.1")
    gathered = [f"/{number}.png" for number in range(IMAGES)]
    enough = IMAGES if protocol == "h2" else HOST_CONNECTIONS_MAX
    with running_site(PAGES, leaf=leaf, alpn=protocol, gathered=gathered, enough=enough) as site:
        result = await probe(prober, site.url("/moved"))
        again = await probe(prober, site.url("/"))
    assert (result.outcome, again.outcome) == (Outcome.UP, Outcome.UP), result.failure
    found = resources(result)
    images = [f"{number}.png" for number in range(IMAGES)]
    assert set(found) == {"a.css", "b.css", "s.js", "f.woff2", "bg.png", *images}
    assert {found[name].resource for name in images} == {"image"}
    assert (found["f.woff2"].resource, found["s.js"].resource) == ("font", "script")
    assert {each.outcome for each in found.values()} == {Outcome.UP}
    assert {each.body_bytes for name, each in found.items() if name in images} == {len(BODY)}
    document = result.exchanges[-1]
    assert (document.url, document.role) == (site.url("/"), Role.HOP)
    assert result.resources_us is not None
    # What the server held each for, whatever it waited for before.
    for name in images:
        assert 99_000 <= found[name].phases.wait_us <= result.resources_us, found[name]
        assert found[name].start_us >= document.start_us + document.total_us - 20_000
    if protocol == "h2":
        # One connection for each of the two pages, and all images at once.
        assert len(site.clients) == 2
        assert all(each.phases.connect_us is None for each in found.values())
        assert found["a.css"].http_version == "2"
        assert site.at_once["most"] >= IMAGES
    else:
        assert len(site.clients) == 12
        assert site.at_once["most"] == HOST_CONNECTIONS_MAX
        fresh = [each for each in found.values() if each.phases.connect_us is not None]
        assert len(fresh) == 5
        assert all((each.phases.tls_us is None) == (leaf is None) for each in fresh)
        # Fifteen and more of 100 ms, six at a time.
        assert result.resources_us >= 230_000
    # Nothing of a style sheet before it is whole.
    sheet = found["a.css"]
    assert found["b.css"].start_us >= sheet.start_us + sheet.total_us - 20_000


class SlowContent(Content):
    """Takes as long over a body as another probe's handshake may take."""

    def on_body(self, chunk: bytes) -> None:
        time.sleep(SLOW_S)
        super().on_body(chunk)


async def test_what_waits_its_turn_is_not_measured(
    prober: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All six answers come at once, over a connection that was used before and over new ones."""
    monkeypatch.setattr(page, "Content", SlowContent)
    asking: dict[str, Connection] = {}
    # How long ago each was asked for when it was answered, as the kernel says.
    ages_us: dict[str, int] = {}

    async def answer_at_once(connection: Connection) -> None:
        while (path := await connection.request()) == "/":
            await connection.send(_answer("text/html", SHEETS_HTML))
        asking[path] = connection
        if len(asking) == SHEETS:
            await hold(HELD_S)
            for path, each in asking.items():
                each.raw.send(_answer("text/css", b"p{}"))
                ages_us[path] = _received_ago_us(each.raw)
        await asyncio.Event().wait()

    async with serve(answer_at_once) as site:
        result = await probe(prober, site.url())
    found = resources(result)
    assert [each.phases.connect_us for each in result.exchanges].count(None) == 1
    for name, age_us in ages_us.items():
        sheet = found[name.removeprefix("/")]
        wait_us = sheet.phases.wait_us
        assert wait_us >= HELD_S * 1e6 - 20_000
        # Taken in turn they would seem 100 ms apart, the last half a second late.
        late_us = wait_us - age_us - (sheet.doubt_us or 0)
        assert late_us < 2.5 * SLOW_S * 1e6, found


def _received_ago_us(opened: socket.socket) -> int:
    """How long ago data came last (``tcpi_last_data_recv``); the kernel counts ticks."""
    info = opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64)
    (ago_ms,) = struct.unpack_from("=I", info, 52)
    return int(ago_ms) * 1000


def _answer(media_type: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class BusyContent(Content):
    """Has the thread compute for as long over a body."""

    def on_body(self, chunk: bytes) -> None:
        until = time.thread_time() + BUSY_S
        while time.thread_time() < until:
            pass
        super().on_body(chunk)


async def test_how_long_streams_of_one_event_held_each_other_up_is_told(
    prober: Prober, authority: TestAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers come as one segment over one connection; libcurl takes one after the other."""
    monkeypatch.setattr(page, "Content", BusyContent)
    async with serve(
        _answer_as_one, tls=authority.issue("127.0.0.1").server_context(alpn=("h2",))
    ) as site:
        result = await probe(prober, site.url(scheme="https"))
    found = resources(result).values()
    receives = [each.phases.receive_us or 0 for each in found]
    assert max(receives) > 2 * BUSY_S * 1e6
    for each, receive_us in zip(found, receives, strict=True):
        assert (each.doubt_us or 0) >= receive_us - BUSY_S * 1e6, found
    assert result.lag_us >= max(each.doubt_us or 0 for each in found)
    assert result.suspect


async def _answer_as_one(connection: Connection) -> None:
    """Answer a document, then all that it asks for, once all is asked for, in one record of TLS."""
    spoken = H2Connection(H2Configuration(client_side=False))
    spoken.initiate_connection()
    asked: list[int] = []

    def answer(streams: list[int], media_type: str, body: bytes) -> None:
        for stream in streams:
            spoken.send_headers(stream, [(":status", "200"), ("content-type", media_type)])
        for stream in streams:
            spoken.send_data(stream, body, end_stream=True)

    while True:
        await connection.send(spoken.data_to_send())
        received = await connection.reader.read(65536)
        if not received:
            return
        for event in spoken.receive_data(received):
            if isinstance(event, RequestReceived):
                asked.append(event.stream_id)
                if len(asked) == 1:
                    answer(asked, "text/html", SHEETS_HTML)
                elif len(asked) == 1 + SHEETS:
                    answer(asked[1:], "text/css", b"p{}")


async def test_a_resource_that_fails_degrades_and_is_named(prober: Prober) -> None:
    html = '<img src="/gone.png"><img src="http://127.0.0.1:1/x"><img src="/ok"><img src="/loop">'
    paths = {
        "/ok": ("image/png", BODY, 0.0, {}),
        "/loop": ("image/png", b"", 0.0, {"status": "302", "location": "/loop"}),
    }
    with page_of(html, **paths) as site:
        result = await probe(prober, site.url())
    assert result.outcome is Outcome.DEGRADED
    assert result.failure is not None
    assert result.failure.code == "resource_failed"
    assert result.failure.detail.startswith("3 of 4 resources failed: ")
    assert "/gone.png: HTTP 404" in result.failure.detail
    assert "visit-" not in result.failure.detail
    failures = {name: each.failure.code for name, each in resources(result).items() if each.failure}
    assert failures == {
        "gone.png": "http_status",
        "x": "connect_refused",
        "loop": "too_many_redirects",
    }


async def test_the_document_is_judged_as_ever(prober: Prober) -> None:
    with page_of("<img src=/a>") as site:
        result = await probe(prober, site.url("/nowhere"))
    assert (result.outcome, result.failure and result.failure.code) == (
        Outcome.DOWN,
        "http_status",
    )
    result = await probe(prober, "http://127.0.0.1:1/")
    assert (result.failure and result.failure.code, result.resources_us) == (
        "connect_refused",
        None,
    )


async def test_what_is_no_html_has_no_resources(prober: Prober) -> None:
    with running_site({"/": ("text/plain", b"<img src=/a>", 0.0, {})}) as site:
        result = await probe(prober, site.url())
    assert (result.outcome, len(result.exchanges), len(site.asked)) == (Outcome.UP, 1, 1)


async def test_time_is_limited_as_a_whole(prober: Prober) -> None:
    html = "".join(f"<img src=/{number}>" for number in range(20))
    slow: dict[str, Any] = {f"/{number}": ("image/png", BODY, 5.0, {}) for number in range(20)}
    with page_of(html, **slow) as site:
        result = await probe(prober, site.url(), timeout_us=400_000)
    assert result.failure is not None
    assert result.failure.code == "resource_failed"
    assert result.total_us < 3_000_000
    assert len(resources(result)) == 20


async def test_resources_are_limited_and_the_rest_is_told_of(
    prober: Prober, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "RESOURCES_MAX", 5)
    with page_of("".join(f"<img src=/{n}>" for n in range(9)), **{"/0": PAGES["/s.js"]}) as site:
        result = await probe(prober, site.url())
    assert len(resources(result)) == 5
    assert "left out" in result.failure.detail  # type: ignore[union-attr]


async def test_the_guard_looks_at_every_resource(authority: TestAuthority) -> None:
    prober = Prober(allow_networks=[ip_network("127.0.0.1/32")])
    async with serve(_never, host="127.0.0.2") as inside:
        html = (
            f"<img src=http://127.0.0.2:{inside.port}/><img src=http://169.254.169.254/>"
            f"<img src=/hop><link rel=stylesheet href=/a.css>"
        )
        location = f"http://127.0.0.2:{inside.port}/hop"
        css = f"@import url(http://127.0.0.2:{inside.port}/css)".encode()
        paths = {
            "/hop": ("image/png", b"", 0.0, {"status": "302", "location": location}),
            "/a.css": ("text/css", css, 0.0, {}),
        }
        with page_of(html, **paths) as site:
            result = await probe(prober, site.url())
        assert inside.connections == 0
    codes = [
        each.failure.code for each in result.exchanges if each.failure and each.role is not Role.HOP
    ]
    assert codes == ["address_forbidden"] * 4
    await prober.close()


async def _never(_connection: Connection) -> None:
    raise AssertionError


async def test_a_name_is_looked_up_once() -> None:
    zones = {name: Zone({"A": ["127.0.0.1"]}, delay_s=0.02) for name in ("shop.test", "cdn.test")}
    async with serve_dns(zones) as names:
        prober = Prober(
            allow_networks=[ip_network("127.0.0.0/8")],
            resolver=Resolver(servers=[names.at], families=[2]),  # type: ignore[list-item]
        )
        html = "<img src=/a><img src=//cdn.test:PORT/c><img src=/b><img src=//cdn.test:PORT/d>"
        with page_of(html) as site:
            result = await probe(prober, site.url("/", "shop.test"))
        await prober.close()
    asked = [name for _, name, kind in names.queries if kind == "A"]
    assert sorted(asked) == ["cdn.test", "shop.test"]
    looked_up = [each for each in result.exchanges if each.phases.dns_us is not None]
    assert len(looked_up) == 2


async def test_through_a_proxy_nothing_is_shared(prober: Prober) -> None:
    with page_of("<img src=/a>") as site, page_of("") as not_a_proxy:
        request = Request(proxy=Proxy(not_a_proxy.url("").rstrip("/")))
        result = await probe(prober, site.url(), request=request)
    assert site.asked == []
    assert "visit-" not in str(result.failure)
