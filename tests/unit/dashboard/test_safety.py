from __future__ import annotations

import asyncio
import contextlib
import re
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import csrf, live
from dashboard.app import make
from dashboard.attempts import TRIES, WINDOW_S, Attempts
from dashboard.db import Database
from dashboard.errors import Forbidden, NotSignedIn
from dashboard.headers import ALWAYS, HOST
from dashboard.queries import statements
from dashboard.settings import Settings, read_secret
from dashboard.signing import local_path

SECRET = b"s" * 32


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw})


def test_a_token_holds_for_its_subject_only() -> None:
    token = csrf.token(SECRET, "a")
    assert token != csrf.token(SECRET, "a")
    csrf.require(request(), token, SECRET, "a")
    for given, secret, subject in (
        (token, SECRET, "b"),
        (token, b"t" * 32, "a"),
        ("", SECRET, "a"),
        ("ü.ü", SECRET, "a"),
    ):
        with pytest.raises(Forbidden):
            csrf.require(request(), given, secret, subject)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"origin": "https://evil.example", "host": "report.example"},
        {"origin": "null", "host": "report.example"},
    ],
)
def test_other_origins_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Forbidden):
        csrf.require(request(**headers), csrf.token(SECRET, "a"), SECRET, "a")


def test_attempts_are_counted_in_a_sliding_window() -> None:
    attempts = Attempts()
    for second in range(TRIES):
        assert attempts.wait_s("k", second) == 0
        attempts.failed("k", second)
    assert attempts.wait_s("k", 10) == WINDOW_S - 10
    assert attempts.wait_s("other", 10) == 0
    assert attempts.wait_s("k", WINDOW_S) == 0
    attempts.failed("k", WINDOW_S)
    attempts.succeeded("k")
    assert attempts.wait_s("k", WINDOW_S) == 0


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("/m/1?range=1h", "/m/1?range=1h"),
        ("", "/"),
        ("m/1", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\\b", "/"),
        ("/a\nb", "/"),
        ("https://evil.example", "/"),
    ],
)
def test_only_local_paths_are_followed(given: str, path: str) -> None:
    assert local_path(given) == path


@pytest.mark.parametrize("host", ["report.example", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST"])
def test_good_hosts(host: str) -> None:
    assert HOST.fullmatch(host)


@pytest.mark.parametrize("host", ["", "a b", "a/b", "a@b", "[::1", "a:b", "a:123456"])
def test_bad_hosts(host: str) -> None:
    assert not HOST.fullmatch(host)


def test_the_secret_is_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    secret = read_secret(path)
    assert len(secret) == 64
    assert read_secret(path) == secret
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("short")
    with pytest.raises(ValueError, match="5 bytes"):
        read_secret(path)


@pytest.mark.parametrize(
    ("payload", "ids"),
    [("", set()), ("7", {7}), ("7,12", {7, 12}), ("many", set())],
)
def test_payloads(payload: str, ids: set[int]) -> None:
    assert live.monitor_ids(payload) == ids


async def test_a_reader_gathers_what_happened() -> None:
    reader = live.Reader()
    reader.tell(frozenset({1}))
    reader.tell(frozenset({2}))
    assert await reader.wait() == frozenset({1, 2})
    reader.tell(frozenset({1}))
    reader.tell(live.ANY)
    assert await reader.wait() == live.ANY
    reader.close()
    assert await reader.wait() is None


async def test_a_session_that_ends_is_noticed_however_much_comes_in() -> None:
    hub = live.Hub(Database(""))
    answers: list[frozenset[int] | Exception] = [frozenset({1}), frozenset({1, 2}), NotSignedIn()]

    async def look() -> frozenset[int]:
        match answers.pop(0):
            case Exception() as error:
                raise error
            case own:
                return own

    said = []
    async for part in live.events(hub, 7, look, heartbeat_s=0.02):
        said.append(part)
        hub.tell(frozenset({2}))
    assert not answers
    assert "event: results\ndata: 2\n\n" in said
    # The first look knew of no monitor 2.
    assert said[:3] == ["retry: 2000\n\n", ": still here\n\n", ": still here\n\n"]


async def test_a_page_hears_of_what_came_while_it_was_made() -> None:
    hub = live.Hub(Database(""))
    began = time.time()
    with hub.reader(1, made_at=began) as early, hub.reader(1) as unknowing:
        # Nobody listened at that time: anything may have happened.
        assert await early.wait(0) == live.ANY
        assert await unknowing.wait(0) is None
    hub.listening_since(began)
    hub.tell(frozenset({1}))
    await asyncio.sleep(0.01)
    made_at = time.time()
    hub.tell(frozenset({2}))
    with hub.reader(1, made_at) as later, hub.reader(1, made_at=began) as early:
        assert await later.wait(0) == frozenset({2})
        assert await early.wait(0) == frozenset({1, 2})
        hub.tell(frozenset({3}))
        assert await later.wait(0) == frozenset({3})
    with hub.reader(1, made_at=began - 1) as older:
        assert await older.wait(0) == live.ANY


def test_open_pages_are_bounded() -> None:
    hub = live.Hub(Database(""))
    with contextlib.ExitStack() as opened:
        for _ in range(live.MOST_PAGES_OF_AN_ACCOUNT):
            assert not hub.is_full(1)
            opened.enter_context(hub.reader(1))
        assert hub.is_full(1)
        assert not hub.is_full(2)
        for account_id in range(2, live.MOST_PAGES - live.MOST_PAGES_OF_AN_ACCOUNT + 2):
            opened.enter_context(hub.reader(account_id))
        assert hub.is_full(9_999)
    assert not hub.is_full(1)


async def test_an_answer_to_what_broke_has_the_headers_too() -> None:
    def breaks(_: Request) -> Response:
        raise RuntimeError("a bug")

    app = make(Settings(database="", secret=SECRET))
    app.router.routes.insert(0, Route("/breaks", breaks))
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = dict(request(host="report.example").scope) | {
        "method": "GET", "path": "/breaks", "query_string": b"", "scheme": "https",
        "client": ("192.0.2.7", 1), "root_path": "",
    }  # fmt: skip
    with pytest.raises(RuntimeError, match="a bug"):
        await app(scope, receive, send)
    assert sent[0]["status"] == 500
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    assert {name.lower() for name in ALWAYS} <= set(headers)
    assert "a bug" not in str(sent[1])


def test_every_statement_reads_views_only() -> None:
    assert len(statements()) > 15
    for name, statement in statements().items():
        # These work on the values that they are given.
        tables = re.sub(r"vantage\.(merge|percentile|histogram|is_slower)\(", "", statement)
        assert "vantage." not in tables, name
