"""Options of ``vantage-agent probe``: what is asked, and what must be true of the response.

The names are those of ``vantage monitor add``; docs/monitors.md explains them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click

from agent.duration import seconds
from agent.errors import reason
from agent.result import Assertion, Request
from vantage.request import HTTP_VERSIONS, METHODS

_BYTES = click.IntRange(min=0)
_FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)
_HEADER = re.compile(r"\s*([^\s:~]+)\s*(?:([:~])\s*(.*?))?\s*", re.DOTALL)

_OPTIONS = (
    click.option(
        "--method",
        type=click.Choice(METHODS, case_sensitive=False),
        help="[default: GET, or POST with a body]",
    ),
    click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Repeatable."),
    click.option("--body", help="Text to send.  [default: no body]"),
    click.option("--body-file", type=_FILE, help="File to send."),
    click.option("--ip-version", type=click.Choice(["4", "6", "both"]), help="[default: any]"),
    click.option(
        "--http-version",
        type=click.Choice(HTTP_VERSIONS),
        help="Speak no other.  [default: negotiated]",
    ),
    click.option("--insecure", is_flag=True, help="Do not verify the server's certificate."),
    click.option("--no-compression", is_flag=True, help="Ask for no compressed body."),
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
    click.option("--min-bytes", type=_BYTES, help="Body, before decompression."),
    click.option("--max-bytes", type=_BYTES, help="Body, before decompression."),
    click.option("--cert-days", metavar="DAYS[:down]", help="Left at least, else degraded."),
    click.option(
        "--limit",
        "limits",
        multiple=True,
        metavar="PHASE=DURATION[:down]",
        help="Slower is degraded, or down. Repeatable.",
    ),
    click.option("--final-url", metavar="URL", help="Where redirects end."),
    click.option("--network", metavar="CIDR", help="Where the server's address lies."),
    click.option("--max-loss", metavar="PERCENT[:down]", help="Of pings, else degraded."),
    click.option("--expect-http-version", metavar="VERSION", help="1.0, 1.1, 2 or 3."),
)


def expectation_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; ``request``, ``ip_version``, ``is_paired``, ``assertions`` come of them."""

    @wraps(command)
    def with_expectations(
        *,
        method: str | None,
        headers: Sequence[str],
        body: str | None,
        body_file: Path | None,
        ip_version: str | None,
        http_version: str | None,
        insecure: bool,
        no_compression: bool,
        status: str | None,
        headers_expected: Sequence[str],
        contains: Sequence[str],
        matches: Sequence[str],
        json_paths: Sequence[str],
        min_bytes: int | None,
        max_bytes: int | None,
        cert_days: str | None,
        limits: Sequence[str],
        final_url: str | None,
        network: str | None,
        max_loss: str | None,
        expect_http_version: str | None,
        **rest: Any,
    ) -> Any:
        try:
            content = _content(body, body_file)
            request = Request(
                method=method or ("GET" if content is None else "POST"),
                headers=tuple(map(_sent, headers)),
                body=content or b"",
                http_version=http_version or "",
                is_insecure=insecure,
                is_uncompressed=no_compression,
            )
            assertions = (
                *_expected("status", status),
                *_expected("http_version", expect_http_version),
                *map(_header, headers_expected),
                *_expected("body_contains", *contains),
                *_expected("body_matches", *matches),
                *map(_json, json_paths),
                *_size(min_bytes, max_bytes),
                *map(_certificate, filter(None, [cert_days])),
                *_expected("url", final_url),
                *_expected("network", network),
                *map(_limit, limits),
                *map(_loss, filter(None, [max_loss])),
            )
            _check(request, assertions)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        return command(
            request=request,
            ip_version=int(ip_version) if ip_version in ("4", "6") else 0,
            is_paired=ip_version == "both",
            assertions=assertions,
            **rest,
        )

    for option in reversed(_OPTIONS):
        with_expectations = option(with_expectations)
    return with_expectations


def _check(request: Request, assertions: Sequence[Assertion]) -> None:
    # libcurl and RE2 are for probing only, and --help is quick.
    from agent.assertion import check_assertion
    from agent.request import check_request

    check_request(request)
    for assertion in assertions:
        check_assertion(assertion)


def _sent(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ValueError(f"--header {text!r} has no colon; write 'Name: value'.")
    return name.strip(), value.strip()


def _content(text: str | None, file: Path | None) -> bytes | None:
    """Return what is to be sent; None: nothing."""
    if text is not None and file is not None:
        raise ValueError("Both --body and --body-file are given; give one of them.")
    if file is None:
        return None if text is None else text.encode("utf-8", "surrogateescape")
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise ValueError(f"The body cannot be read from {file}: {reason(error)}.") from error


def _expected(kind: str, *texts: str | None) -> Iterator[Assertion]:
    return (Assertion(kind, expected=text) for text in texts if text is not None)


def _header(text: str) -> Assertion:
    match = _HEADER.fullmatch(text)
    if match is None:
        raise ValueError(
            f"--expect-header {text!r}: write 'Name', 'Name: value' or 'Name ~ regex'."
        )
    name, sign, value = match.groups()
    if sign is None:
        return Assertion("header_present", name)
    return Assertion("header_equals" if sign == ":" else "header_matches", name, value)


def _json(text: str) -> Assertion:
    """Read PATH=VALUE; a name within brackets may hold an equals sign."""
    match = re.fullmatch(r"""((?:[^='"]|'[^']*'|"[^"]*")+)=(.*)""", text, re.DOTALL)
    if match is None:
        raise ValueError(f"--json-path {text!r}: write it like '$.status=ok'.")
    path, value = match.groups()
    try:
        json.loads(value, parse_constant=_no_json)
    except (ValueError, RecursionError):
        value = json.dumps(value)
    return Assertion("json_equals", path, value)


def _no_json(word: str) -> None:
    """Refuse NaN and Infinity, which only Python takes for JSON."""
    raise ValueError(word)


def _size(least: int | None, most: int | None) -> Iterator[Assertion]:
    if least is not None or most is not None:
        yield Assertion("size", at_least=least, at_most=most)


def _certificate(text: str) -> Assertion:
    days, degrades = _severity(text)
    if not days.isdecimal():
        raise ValueError(f"--cert-days {text!r}: write whole days, such as 14 or 3:down.")
    return Assertion("cert_days", at_least=int(days), degrades=degrades)


def _limit(text: str) -> Assertion:
    phase, _, rest = text.partition("=")
    duration, degrades = _severity(rest)
    try:
        most = round(seconds(duration) * 1_000_000)
    except ValueError as error:
        raise ValueError(
            f"--limit {text!r}: write it like total=800ms or wait=2s:down. {error}"
        ) from error
    return Assertion("limit", phase.strip(), at_most=most, degrades=degrades)


def _loss(text: str) -> Assertion:
    percent, degrades = _severity(text)
    if not percent.isdecimal() or int(percent) > 100:
        raise ValueError(f"--max-loss {text!r}: write whole per cent, such as 20 or 60:down.")
    return Assertion("loss", at_most=int(percent), degrades=degrades)


def _severity(text: str) -> tuple[str, bool]:
    """Take :down or :degraded off the end; return whether not meeting it degrades only."""
    if text.endswith(":down"):
        return text.removesuffix(":down"), False
    return text.removesuffix(":degraded"), True
