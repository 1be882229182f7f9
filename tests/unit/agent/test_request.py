from __future__ import annotations

import pytest

from agent.request import check_request, redirected
from agent.result import Request
from vantage.url import target_of

HERE = target_of("https://a.example/one")
POST = Request(
    method="POST", headers=(("X-Key", "1"), ("Content-Type", "text/plain")), body=b"secret"
)


@pytest.mark.parametrize(
    ("method", "status", "then"),
    [
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("POST", 303, "GET"),
        ("PUT", 303, "GET"),
        ("PUT", 301, "PUT"),
        ("POST", 307, "POST"),
        ("POST", 308, "POST"),
        ("HEAD", 303, "HEAD"),
        ("DELETE", 302, "DELETE"),
    ],
)
def test_the_method_changes_as_browsers_change_it(method: str, status: int, then: str) -> None:
    body = b"" if method == "HEAD" else b"body"
    asked = Request(method=method, body=body, headers=(("Content-Type", "a/b"), ("X-Key", "1")))
    made = redirected(asked, status, HERE, target_of("https://a.example/two"))
    assert made.method == then
    if then == method:
        assert made == asked
    else:
        assert (made.body, made.headers) == (b"", (("X-Key", "1"),))


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/",
        "http://a.example:443/",
        "https://a.example:444/",
        "https://b.example/",
        "https://x.a.example/",
    ],
)
def test_another_origin_gets_neither_headers_nor_body(url: str) -> None:
    made = redirected(POST, 302, HERE, target_of(url))
    assert (made.method, made.headers, made.body) == ("GET", (), b"")
    with pytest.raises(ValueError, match="body of the POST to another origin"):
        redirected(POST, 307, HERE, target_of(url))


def test_the_same_origin_gets_everything() -> None:
    assert redirected(POST, 307, HERE, target_of("https://A.example:443/two")) == POST


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request(method="get"), "'get' is none of GET"),
        (Request(http_version="4"), "'4' is none of 1.1, 2 and 3"),
        (Request(method="HEAD", body=b"x"), "HEAD request has no body"),
        (Request(body=b"x" * 65537), "65537 bytes; the limit is 65536"),
        (Request(headers=(("X A", "1"),)), "'X A' is no header name"),
        (Request(headers=(("", "1"),)), "'' is no header name"),
        (Request(headers=(("transfer-Encoding", "chunked"),)), "cannot be set"),
        (Request(headers=(("A", "1\r\nB: 2"),)), "holds what cannot be sent"),
        (Request(headers=(("A", "\ud800"),)), "holds what cannot be sent"),
    ],
)
def test_what_cannot_be_asked_is_refused(request_: Request, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_request(request_)
