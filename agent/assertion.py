"""Whether a response is what a monitor expects; what was found where it is not. Pure.

Regular expressions are RE2's: their time is proportional to the text and to the size of the
expression, and both are bounded. All the same a mebibyte against a large one takes seconds: see
``is_slow``.

Source: RFC 9535 (JSON path).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

from agent import json_path
from agent.content import Content
from agent.failure import Code
from agent.result import Assertion, Exchange
from vantage.phase import LIMITED, PHASES
from vantage.request import ANSWERED_VERSIONS
from vantage.scheme import HTTP
from vantage.url import check_url, target_of

# Parsing keeps every other thread waiting; this is done in some 10 ms.
_JSON_BYTES = 256 * 1024
_SHOWN = 100
_DAY_US = 86_400_000_000
_QUICK_BYTES = 4096

_STATUSES = re.compile(r"\s*([1-9]\d\d)\s*(?:-\s*([1-9]\d\d)\s*)?")


@dataclass(slots=True)
class Found:
    """What assertions are held against: the last exchange, what was kept of it, the times."""

    exchange: Exchange
    content: Content
    total_us: int
    redirect_us: int
    at_us: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be; ``detail`` says what was expected and found."""

    code: Code
    detail: str
    degrades: bool = False


def judge(assertions: Iterable[Assertion], found: Found) -> list[Finding]:
    """Return what does not hold, in the assertions' order; an assertion unknown here degrades."""
    findings = []
    for assertion in assertions:
        try:
            code, holds = _kind(assertion)
            detail = holds(assertion, found)
        except ValueError as error:
            findings.append(Finding(Code.ASSERTION_UNSUPPORTED, str(error), degrades=True))
            continue
        if detail is not None:
            findings.append(Finding(code, detail, assertion.degrades))
    return findings


def check_assertion(assertion: Assertion) -> None:
    """Raise ValueError, saying why, for an assertion that cannot be evaluated."""
    _kind(assertion)
    if check := _CHECKS.get(assertion.kind):
        check(assertion)


def needs_content(assertions: Iterable[Assertion]) -> bool:
    """Tell whether headers and body must be kept to judge these."""
    return any(each.kind.startswith(("header_", "body_", "json_")) for each in assertions)


def is_slow(assertions: Iterable[Assertion], content: Content) -> bool:
    """Tell whether judging may take long enough to disturb others' measurements."""
    heavy = ("header_matches", "body_matches", "json_equals")
    if not any(each.kind in heavy for each in assertions):
        return False
    return len(content.body) + sum(len(value) for _, value in content.headers) > _QUICK_BYTES


def statuses(text: str) -> list[range]:
    """Read "200-299,304". Raises: ValueError."""
    ranges = []
    for part in text.split(","):
        match = _STATUSES.fullmatch(part)
        if match is None:
            raise ValueError(f"{part.strip()!r} is no HTTP status; write them like 200-299,304.")
        ranges.append(range(int(match[1]), int(match[2] or match[1]) + 1))
    return ranges


@lru_cache(maxsize=4096)
def expression(pattern: str) -> Any:
    """Compile a regular expression. Raises: ValueError saying what is wrong with it."""
    # A megabyte that few agents need.
    from vantage.expression import compiled

    return compiled(pattern)


def _status(assertion: Assertion, found: Found) -> str | None:
    status = found.exchange.http_status
    if any(status in each for each in statuses(assertion.expected)):
        return None
    return f"status {assertion.expected} expected, found {status}"


def _header_present(assertion: Assertion, found: Found) -> str | None:
    if found.content.values(assertion.name):
        return None
    return f"header {assertion.name} expected, not found"


def _header_equals(assertion: Assertion, found: Found) -> str | None:
    values = found.content.values(assertion.name)
    if assertion.expected in values:
        return None
    expected = f"header {assertion.name} equal to {_quoted(assertion.expected)} expected"
    return f"{expected}, {_list(values)}"


def _header_matches(assertion: Assertion, found: Found) -> str | None:
    values = found.content.values(assertion.name)
    search = expression(assertion.expected).search
    if any(search(value.encode("utf-8", "replace")) for value in values):
        return None
    expected = f"header {assertion.name} matching {_quoted(assertion.expected)} expected"
    return f"{expected}, {_list(values)}"


def _body_contains(assertion: Assertion, found: Found) -> str | None:
    if assertion.expected.encode("utf-8", "replace") in found.content.body:
        return None
    where = _extent(found.content)
    return f"body containing {_quoted(assertion.expected)} expected, not found in {where}"


def _body_matches(assertion: Assertion, found: Found) -> str | None:
    if expression(assertion.expected).search(bytes(found.content.body)):
        return None
    where = _extent(found.content)
    return f"body matching {_quoted(assertion.expected)} expected, no match in {where}"


def _json_equals(assertion: Assertion, found: Found) -> str | None:
    expected = f"JSON {assertion.name} equal to {_short(assertion.expected)} expected"
    if len(found.content.body) > _JSON_BYTES:
        return f"{expected}, the body is larger than the {_JSON_BYTES} bytes that are read as JSON"
    path, wanted = json_path.parse(assertion.name), _json(assertion.expected)
    try:
        document = json.loads(found.content.body)
    except (ValueError, RecursionError) as error:
        return f"{expected}, the body is not JSON: {_short(str(error))}"
    try:
        value = json_path.look_up(document, path)
    except json_path.Missing:
        return f"{expected}, there is none"
    return None if json_path.is_same(wanted, value) else f"{expected}, found {_dumped(value)}"


def _size(assertion: Assertion, found: Found) -> str | None:
    size = found.exchange.body_bytes
    if _is_within(size, assertion):
        return None
    return f"body of {_bounds(assertion)} bytes expected, found {size}"


def _certificate(assertion: Assertion, found: Found) -> str | None:
    ends_us = found.exchange.cert_expires_at_us
    expected = f"certificate good for {_bounds(assertion)} days expected"
    if ends_us is None:
        return f"{expected}, there is none"
    days = (ends_us - found.at_us) // _DAY_US
    return None if _is_within(days, assertion) else f"{expected}, found {days}"


def _limit(assertion: Assertion, found: Found) -> str | None:
    spent_us = _spent(assertion.name, found)
    if spent_us is None or _is_within(spent_us, assertion):
        return None
    limit_us = assertion.at_most or 0
    return f"{assertion.name} took {spent_us / 1000:.1f} ms, the limit is {limit_us / 1000:.1f} ms"


def _url(assertion: Assertion, found: Found) -> str | None:
    _check_final_url(assertion)
    if found.exchange.url == check_url(assertion.expected):
        return None
    return f"final URL {_short(assertion.expected)} expected, found {_short(found.exchange.url)}"


def _network(assertion: Assertion, found: Found) -> str | None:
    address = ip_address(found.exchange.target_ip)
    if address in ip_network(assertion.expected):
        return None
    return f"address in {assertion.expected} expected, found {address}"


def _http_version(assertion: Assertion, found: Found) -> str | None:
    if found.exchange.http_version == assertion.expected:
        return None
    return f"HTTP version {assertion.expected} expected, found {found.exchange.http_version}"


def _loss(assertion: Assertion, found: Found) -> str | None:
    pings = found.exchange.pings
    if pings is None or not pings.sent:
        return "loss cannot be judged, there were no pings"
    lost = 100 * (pings.sent - pings.received) // pings.sent
    if _is_within(lost, assertion):
        return None
    lost_of = f"{pings.sent - pings.received} of {pings.sent} pings were lost"
    return f"loss of {_bounds(assertion)} % expected, {lost_of}"


_KINDS: dict[str, tuple[Code, Callable[[Assertion, Found], str | None]]] = {
    "status": (Code.ASSERTION_STATUS, _status),
    "header_present": (Code.ASSERTION_HEADER, _header_present),
    "header_equals": (Code.ASSERTION_HEADER, _header_equals),
    "header_matches": (Code.ASSERTION_HEADER, _header_matches),
    "body_contains": (Code.ASSERTION_BODY, _body_contains),
    "body_matches": (Code.ASSERTION_BODY, _body_matches),
    "json_equals": (Code.ASSERTION_JSON, _json_equals),
    "size": (Code.ASSERTION_SIZE, _size),
    "cert_days": (Code.ASSERTION_CERTIFICATE, _certificate),
    "limit": (Code.ASSERTION_LIMIT, _limit),
    "url": (Code.ASSERTION_URL, _url),
    "network": (Code.ASSERTION_NETWORK, _network),
    "http_version": (Code.ASSERTION_HTTP_VERSION, _http_version),
    "loss": (Code.ASSERTION_LOSS, _loss),
}


def _check_json(assertion: Assertion) -> None:
    json_path.parse(assertion.name)
    _json(assertion.expected)


def _check_limit(assertion: Assertion) -> None:
    if assertion.name not in LIMITED:
        raise ValueError(f"{assertion.name!r} is none of {', '.join(LIMITED)}.")


def _check_http_version(assertion: Assertion) -> None:
    if assertion.expected not in ANSWERED_VERSIONS:
        raise ValueError(f"{assertion.expected!r} is none of {', '.join(ANSWERED_VERSIONS)}.")


def _check_size(assertion: Assertion) -> None:
    least, most = assertion.at_least, assertion.at_most
    if least is not None and most is not None and least > most:
        raise ValueError(f"No body can have at least {least} and at most {most} bytes.")


def _check_network(assertion: Assertion) -> None:
    try:
        ip_network(assertion.expected)
    except ValueError as error:
        raise ValueError(f"{error}; write it like 192.0.2.0/24 or 2001:db8::/32.") from error


def _check_final_url(assertion: Assertion) -> None:
    if target_of(assertion.expected).scheme not in HTTP:
        raise ValueError(f"{assertion.expected!r} must begin with http:// or https://.")


_CHECKS: dict[str, Callable[[Assertion], object]] = {
    "status": lambda assertion: statuses(assertion.expected),
    "header_matches": lambda assertion: expression(assertion.expected),
    "body_matches": lambda assertion: expression(assertion.expected),
    "json_equals": _check_json,
    "limit": _check_limit,
    "url": _check_final_url,
    "network": _check_network,
    "size": _check_size,
    "http_version": _check_http_version,
}


def _kind(assertion: Assertion) -> tuple[Code, Callable[[Assertion, Found], str | None]]:
    try:
        return _KINDS[assertion.kind]
    except KeyError:
        raise ValueError(
            f"This agent does not know assertions of the kind {assertion.kind!r}; update it."
        ) from None


def _spent(name: str, found: Found) -> int | None:
    """Microseconds spent on a phase; None: the exchange has no such phase."""
    if name in PHASES:
        spent_us: int | None = getattr(found.exchange.phases, f"{name}_us")
        return spent_us
    if name == "redirect":
        return found.redirect_us
    if name == "total":
        return found.total_us
    raise ValueError(f"This agent does not know the phase {name!r}; update it.")


def _json(text: str) -> json_path.Json:
    try:
        value: json_path.Json = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{_short(text)} is not JSON: {error}.") from error
    return value


def _is_within(value: int, bounds: Assertion) -> bool:
    return (bounds.at_least is None or value >= bounds.at_least) and (
        bounds.at_most is None or value <= bounds.at_most
    )


def _bounds(assertion: Assertion) -> str:
    if assertion.at_most is None:
        return f"at least {assertion.at_least}"
    if assertion.at_least is None:
        return f"at most {assertion.at_most}"
    return f"{assertion.at_least} to {assertion.at_most}"


def _extent(content: Content) -> str:
    return (
        f"its first {len(content.body)} bytes" if content.is_cut else f"{len(content.body)} bytes"
    )


def _list(values: list[str]) -> str:
    return "found " + ", ".join(map(_quoted, values[:3])) if values else "there is none"


def _dumped(value: json_path.Json) -> str:
    """Word a stranger's value; one too deep to be written is told by its kind."""
    try:
        return _short(json.dumps(value))
    except (ValueError, RecursionError):
        return f"a {type(value).__name__}"


def _quoted(text: str) -> str:
    """Quote text so that it is one short line whatever it holds; NUL cannot be stored."""
    return json.dumps(_short(text), ensure_ascii=False).replace("\x7f", "\\u007f")


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
