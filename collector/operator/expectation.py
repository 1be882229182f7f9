"""Options that say what must be true of the response: each becomes one assertion."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any

import click

from collector.assertion import JSON_PATH, Assertion, check_assertions
from collector.errors import CollectorError
from collector.operator.duration import Duration

DEGRADED, DOWN = ":degraded", ":down"

OPTIONS = (
    click.option("--status", metavar="SET", help="Such as 200-299,304.  [default: 200-399]"),
    click.option(
        "--expect-header",
        "headers_expected",
        multiple=True,
        metavar="'NAME[: VALUE]'",
        help="Present; equal to VALUE; or 'NAME ~ REGEX', matching. Repeatable.",
    ),
    click.option("--contains", multiple=True, metavar="TEXT", help="In the body. Repeatable."),
    click.option("--matches", multiple=True, metavar="REGEX", help="In the body. Repeatable."),
    click.option(
        "--json-path",
        "json_paths",
        multiple=True,
        metavar="PATH=VALUE",
        help="Such as '$.status=ok'; VALUE is JSON, or text. Repeatable.",
    ),
    click.option("--min-bytes", type=int, help="Body, before decompression."),
    click.option("--max-bytes", type=int, help="Body, before decompression."),
    click.option(
        "--cert-days", metavar="DAYS[:down]", help="Days left at least, or it is degraded."
    ),
    click.option(
        "--limit",
        "limits",
        multiple=True,
        metavar="PHASE=DURATION[:down]",
        help="Slower is degraded, or down: total, redirect, dns, connect, tls, send, wait, "
        "receive. Repeatable.",
    ),
    click.option("--final-url", metavar="URL", help="Where redirects end."),
    click.option("--network", metavar="CIDR", help="Where the server's address lies."),
    click.option("--max-loss", metavar="PERCENT[:down]", help="More lost pings degrade it."),
    click.option("--expect-http-version", metavar="VERSION", help="1.0, 1.1, 2 or 3."),
)


def expectation_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets ``assertions``, such as agents can judge."""

    @wraps(command)
    def with_assertions(
        *,
        status: str | None,
        headers_expected: Sequence[str],
        contains: Sequence[str],
        matches: Sequence[str],
        json_paths: Sequence[str],
        min_bytes: int | None,
        max_bytes: int | None,
        cert_days: str | None,
        limits: Sequence[str],
        max_loss: str | None,
        final_url: str | None,
        network: str | None,
        expect_http_version: str | None,
        **rest: Any,
    ) -> Any:
        try:
            assertions = [
                *expected("status", status),
                *expected("http_version", expect_http_version),
                *map(header, headers_expected),
                *expected("body_contains", *contains),
                *expected("body_matches", *matches),
                *map(json_equals, json_paths),
                *size(min_bytes, max_bytes),
                *map(certificate, filter(None, [cert_days])),
                *expected("url", final_url),
                *expected("network", network),
                *map(limit, limits),
                *map(loss, filter(None, [max_loss])),
            ]
            check_assertions(assertions)
        except CollectorError as error:
            raise click.UsageError(str(error)) from error
        return command(assertions=assertions, **rest)

    for option in reversed(OPTIONS):
        with_assertions = option(with_assertions)
    return with_assertions


def expected(kind: str, *texts: str | None) -> Iterator[Assertion]:
    """Make an assertion of each text that is given."""
    for text in texts:
        if text is not None:
            yield {"kind": kind, "expected": text}


def header(text: str) -> Assertion:
    """Read NAME, NAME: VALUE or NAME ~ REGEX."""
    match = re.fullmatch(r"\s*([^\s:~]+)\s*(?:([:~])\s*(.*?))?\s*", text, re.DOTALL)
    if match is None:
        raise CollectorError(
            f"--expect-header {text!r}: write 'Name', 'Name: value' or 'Name ~ regex'."
        )
    name, sign, value = match.groups()
    if sign is None:
        return {"kind": "header_present", "name": name}
    return {
        "kind": "header_equals" if sign == ":" else "header_matches",
        "name": name,
        "expected": value,
    }


def json_equals(text: str) -> Assertion:
    """Read PATH=VALUE; what is not JSON is meant as a text."""
    match = JSON_PATH.match(text)
    if match is None or text[match.end() : match.end() + 1] != "=":
        raise CollectorError(
            f"--json-path {text!r}: write a path to one value, = and the value, such as "
            "'$.items[0].status=ok'; wildcards and filters are not supported."
        )
    value = text[match.end() + 1 :]
    try:
        json.loads(value, parse_constant=no_json)
    except (ValueError, RecursionError):
        value = json.dumps(value)
    return {"kind": "json_equals", "name": match[0], "expected": value}


def no_json(word: str) -> None:
    """Refuse NaN and Infinity, which only Python takes for JSON."""
    raise ValueError(word)


def size(least: int | None, most: int | None) -> Iterator[Assertion]:
    """Make one assertion of both bounds."""
    bounds = {"at_least": least, "at_most": most}
    given = {name: bound for name, bound in bounds.items() if bound is not None}
    if given:
        yield {"kind": "size", **given}


def certificate(text: str) -> Assertion:
    """Read DAYS[:down]."""
    days, degrades = severity(text)
    if not days.isdecimal():
        raise CollectorError(f"--cert-days {text!r}: write whole days, such as 14 or 3:down.")
    return {"kind": "cert_days", "at_least": int(days), "degrades": degrades}


def limit(text: str) -> Assertion:
    """Read PHASE=DURATION[:down]."""
    phase, _, rest = text.partition("=")
    duration, degrades = severity(rest)
    try:
        seconds = Duration().convert(duration, None, None)
    except click.BadParameter as error:
        raise CollectorError(
            f"--limit {text!r}: write it like total=800ms or wait=2s:down. {error.message}"
        ) from error
    most = round(seconds * 1_000_000)
    return {"kind": "limit", "name": phase.strip(), "at_most": most, "degrades": degrades}


def loss(text: str) -> Assertion:
    """Read PERCENT[:down]."""
    percent, degrades = severity(text)
    if not percent.isdecimal() or int(percent) > 100:
        raise CollectorError(f"--max-loss {text!r}: write whole per cent, such as 20 or 60:down.")
    return {"kind": "loss", "at_most": int(percent), "degrades": degrades}


def severity(text: str) -> tuple[str, bool]:
    """Take :down or :degraded off the end; return whether not meeting it degrades only."""
    if text.endswith(DOWN):
        return text.removesuffix(DOWN).strip(), False
    return text.removesuffix(DEGRADED).strip(), True
