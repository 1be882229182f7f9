from __future__ import annotations

import json
import time
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.assertion import (
    Finding,
    Found,
    check_assertion,
    expression,
    is_slow,
    judge,
    needs_content,
    statuses,
)
from agent.content import MAX_KEPT_BYTES, Content
from agent.result import Assertion, Exchange, Phases

DAY_US = 86_400_000_000
AT_US = 1_795_000_000_000_000
HEAD = [
    b"HTTP/1.1 100 Continue: really\r\n",
    b"X-Early: 1\r\n",
    b"\r\n",
    b"HTTP/2 200 \r\n",
    b"Content-Type: application/json; charset=utf-8\r\n",
    b"set-cookie: a=1\r\n",
    b"Set-Cookie: b=2\r\n",
    b"X-Empty:\r\n",
    b"\r\n",
]
BODY = '{"status": "ok", "count": 3, "items": [{"full name": "Zoë"}], "deep": null}'.encode()


def content(body: bytes = BODY) -> Content:
    kept = Content()
    for line in HEAD:
        kept.on_header(line)
    kept.on_body(body)
    return kept


EXCHANGE = Exchange(
    url="https://a.example/end",
    phases=Phases(connect_us=10_000, tls_us=20_000, send_us=0, wait_us=300_000, receive_us=5_000),
    total_us=335_000,
    http_status=200,
    http_version="2",
    body_bytes=75,
    target_ip=ip_address("192.0.2.7").packed,
    target_port=443,
    cert_expires_at_us=AT_US + 14 * DAY_US + 5,
)
FOUND = Found(EXCHANGE, content(), total_us=385_000, redirect_us=50_000, at_us=AT_US)

HOLDS = [
    Assertion("status", expected="200"),
    Assertion("status", expected="301, 200-204"),
    Assertion("header_present", "content-type"),
    Assertion("header_present", "X-Empty"),
    Assertion("header_equals", "Content-Type", "application/json; charset=utf-8"),
    Assertion("header_equals", "Set-Cookie", "b=2"),
    Assertion("header_matches", "content-type", r"^application/(json|xml)\b"),
    Assertion("body_contains", expected="Zoë"),
    Assertion("body_matches", expected=r'"count": \d+'),
    Assertion("body_matches", expected=r"Zo.\W"),
    Assertion("json_equals", "$.status", '"ok"'),
    Assertion("json_equals", "$.count", "3.0"),
    Assertion("json_equals", "$.items[-1]['full name']", '"Zo\\u00eb"'),
    Assertion("json_equals", "$.items", '[{"full name": "Zoë"}]'),
    Assertion("json_equals", "$.deep", "null"),
    Assertion("size", at_least=75, at_most=75),
    Assertion("size", at_most=75),
    Assertion("cert_days", at_least=14),
    Assertion("limit", "total", at_most=385_000),
    Assertion("limit", "dns", at_most=1),
    Assertion("url", expected="https://A.example:443/end#here"),
    Assertion("network", expected="192.0.2.0/24"),
    Assertion("http_version", expected="2"),
]


@pytest.mark.parametrize("assertion", HOLDS, ids=str)
def test_what_holds_is_not_told(assertion: Assertion) -> None:
    check_assertion(assertion)
    assert judge([assertion], FOUND) == []


FAILS = [
    (Assertion("status", expected="500-599,404"), "status 500-599,404 expected, found 200"),
    (Assertion("header_present", "X-Early"), "header X-Early expected, not found"),
    (
        Assertion("header_equals", "Set-Cookie", "c=3"),
        'header Set-Cookie equal to "c=3" expected, found "a=1", "b=2"',
    ),
    (
        Assertion("header_equals", "X-Early", "1"),
        'header X-Early equal to "1" expected, there is none',
    ),
    (
        Assertion("header_matches", "Content-Type", "^text/"),
        'header Content-Type matching "^text/" expected, found "application/json; charset=utf-8"',
    ),
    (
        Assertion("body_contains", expected="zoë"),
        'body containing "zoë" expected, not found in 76 bytes',
    ),
    (
        Assertion("body_matches", expected="^ok$"),
        'body matching "^ok$" expected, no match in 76 bytes',
    ),
    (
        Assertion("json_equals", "$.status", '"down"'),
        'JSON $.status equal to "down" expected, found "ok"',
    ),
    (Assertion("json_equals", "$.count", "true"), "JSON $.count equal to true expected, found 3"),
    (
        Assertion("json_equals", "$.items[1]", "1"),
        "JSON $.items[1] equal to 1 expected, there is none",
    ),
    (Assertion("size", at_least=76), "body of at least 76 bytes expected, found 75"),
    (Assertion("size", at_least=1, at_most=74), "body of 1 to 74 bytes expected, found 75"),
    (
        Assertion("cert_days", at_least=15),
        "certificate good for at least 15 days expected, found 14",
    ),
    (Assertion("limit", "wait", at_most=299_999), "wait took 300.0 ms, the limit is 300.0 ms"),
    (Assertion("limit", "redirect", at_most=1_000), "redirect took 50.0 ms, the limit is 1.0 ms"),
    (
        Assertion("url", expected="https://a.example/"),
        "final URL https://a.example/ expected, found https://a.example/end",
    ),
    (
        Assertion("network", expected="2001:db8::/32"),
        "address in 2001:db8::/32 expected, found 192.0.2.7",
    ),
    (Assertion("http_version", expected="1.1"), "HTTP version 1.1 expected, found 2"),
]


@pytest.mark.parametrize(("assertion", "detail"), FAILS, ids=str)
def test_what_fails_says_what_was_expected_and_found(assertion: Assertion, detail: str) -> None:
    check_assertion(assertion)
    [finding] = judge([assertion], FOUND)
    assert finding.detail == detail
    assert finding.code.startswith("assertion_")
    assert not finding.degrades
    assert judge([replace(assertion, degrades=True)], FOUND) == [replace(finding, degrades=True)]


@pytest.mark.parametrize(
    ("assertion", "words"),
    [
        (Assertion("status", expected="2xx"), "'2xx' is no HTTP status"),
        (Assertion("body_matches", expected="(a"), "is not RE2's: missing ): (a"),
        (Assertion("body_matches", expected=r"(a)\1"), "invalid escape"),
        (Assertion("header_matches", "A", r"\pL{20}"), "instructions; the limit is 1500"),
        (Assertion("body_matches", expected="\ud800"), "is not RE2's"),
        (Assertion("json_equals", "$.*", "1"), "wildcards"),
        (Assertion("json_equals", "$.a", "ok"), "ok is not JSON"),
        (Assertion("json_equals", "$.a", "[" * 100_000), "is not JSON"),
        (Assertion("limit", "thinking", at_most=1), "'thinking'"),
        (Assertion("network", expected="10.0.0.1/8"), "host bits"),
        (Assertion("url", expected="ftp://a.example/"), "must begin with"),
        (Assertion("sentiment", expected="happy"), "'sentiment'; update it"),
    ],
    ids=str,
)
def test_what_cannot_be_judged_is_told_and_only_degrades(assertion: Assertion, words: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        check_assertion(assertion)
    [finding] = judge([assertion], FOUND)
    assert words in finding.detail
    assert (finding.code, finding.degrades) == ("assertion_unsupported", True)


def test_every_failing_one_is_told_in_their_order() -> None:
    wanted = [assertion for assertion, _ in FAILS]
    assert [finding.detail for finding in judge(wanted, FOUND)] == [detail for _, detail in FAILS]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"<html>", "the body is not JSON: Expecting value"),
        (b"", "the body is not JSON"),
        (b"\xff\xfe\xfd", "the body is not JSON"),
        (b"[" * 200_000, "the body is not JSON"),
        (b"9" * 5000, "the body is not JSON"),
        (b'{"a": "\\u0000\\ud800"}', 'found "\\u0000\\ud800"'),
        (b'{"a": "' + b"x" * 500 + b'"}', "x…"),
        (b'{"a": ' + b"[" * 900 + b"]" * 900 + b"}", "found [[["),
    ],
)
def test_a_strange_document_is_told_in_a_short_line(body: bytes, detail: str) -> None:
    found = replace(FOUND, content=content(body))
    [finding] = judge([Assertion("json_equals", "$.a", "1")], found)
    assert detail in finding.detail
    assert len(finding.detail) < 250


def test_a_header_s_control_characters_never_reach_the_database() -> None:
    kept = Content()
    kept.on_header(b"X-A: \x00\x07\x7f\xff" + b"y" * 5000 + b"\r\n")
    [finding] = judge([Assertion("header_equals", "X-A", "1")], replace(FOUND, content=kept))
    assert finding.detail.isprintable()
    assert len(finding.detail) < 250


def test_only_the_first_mebibyte_is_kept() -> None:
    kept = content(b"x" * MAX_KEPT_BYTES)
    assert not kept.is_cut
    kept.on_body(b"needle")
    assert kept.is_cut
    assert len(kept.body) == MAX_KEPT_BYTES
    found = replace(FOUND, content=kept)
    [finding] = judge([Assertion("body_contains", expected="needle")], found)
    assert finding.detail.endswith(f"not found in its first {MAX_KEPT_BYTES} bytes")
    [finding] = judge([Assertion("json_equals", "$", "1")], found)
    assert "larger than the 262144 bytes that are read" in finding.detail


def test_content_is_kept_only_for_those_that_look_at_it() -> None:
    looking = {each.kind for each in HOLDS if needs_content([each])}
    assert looking == {each.kind for each in HOLDS if each.kind[:5] in ("heade", "body_", "json_")}
    assert not needs_content([])


def test_long_work_is_known_beforehand() -> None:
    heavy = [Assertion("body_matches", expected="a")]
    assert is_slow(heavy, content(b"x" * 5000))
    assert not is_slow(heavy, content(b"x" * 100))
    assert not is_slow([Assertion("body_contains", expected="a")], content(b"x" * 5000))


def test_an_expression_that_hangs_re_is_instant() -> None:
    # The standard library's re takes 2 ** 40 steps here: hours.
    body = b"x" * 40 + b"!"
    began = time.perf_counter()
    assert judge(
        [Assertion("body_matches", expected=r"^(x+x+)+y$")], replace(FOUND, content=content(body))
    )
    assert time.perf_counter() - began < 10


@given(st.lists(st.integers(100, 999), min_size=1, max_size=5), st.integers(100, 999))
def test_a_set_of_statuses_holds_its_members(members: list[int], status: int) -> None:
    text = ",".join(map(str, members))
    assert any(status in each for each in statuses(text)) == (status in members)


@given(st.integers(100, 999), st.integers(100, 999), st.integers(100, 999))
def test_a_range_of_statuses_holds_its_ends(first: int, last: int, status: int) -> None:
    [found] = statuses(f"{first}-{last}")
    assert (status in found) == (first <= status <= last)


@given(st.text(), st.binary(max_size=300))
def test_any_text_and_any_body_are_judged(text: str, body: bytes) -> None:
    kinds = ("body_contains", "body_matches", "json_equals", "header_equals", "header_matches")
    wanted = [Assertion(kind, "$", text) for kind in kinds]
    for finding in judge(wanted, replace(FOUND, content=content(body))):
        assert isinstance(finding, Finding)
        assert "\0" not in finding.detail or "\0" in text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=10,
    )
)
def test_every_document_equals_itself(document: object) -> None:
    text = json.dumps(document)
    found = replace(FOUND, content=content(text.encode()))
    assert judge([Assertion("json_equals", "$", text)], found) == []


def test_compiled_expressions_are_kept() -> None:
    assert expression("a+b") is expression("a+b")
