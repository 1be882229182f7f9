"""Options of ``vantage-agent probe``: on which terms the request is made.

The names are those of ``vantage monitor add``; docs/monitors.md explains them. Secrets come from
files, never as arguments; a file named - is standard input.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import wraps
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import click

from agent.duration import seconds
from agent.errors import reason
from agent.result import Phases, Proxy, Request
from vantage.phase import PHASES

_FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)

_OPTIONS = (
    click.option(
        "--auth",
        type=click.Choice(["basic", "bearer"]),
        default="basic",
        show_default=True,
        help="What --auth-file holds: user:password, or a token.",
    ),
    click.option(
        "--auth-file",
        type=_FILE,
        envvar="VANTAGE_AUTH_FILE",
        show_envvar=True,
        help="File with the authorization; - is standard input.",
    ),
    click.option(
        "--secret-header",
        "secret_headers",
        multiple=True,
        metavar="NAME=FILE",
        help="Header whose value is in FILE. Repeatable.",
    ),
    click.option("--client-cert", type=_FILE, help="File with a certificate to show, PEM."),
    click.option("--client-key", type=_FILE, help="File with its key, PEM."),
    click.option(
        "--ca-file",
        type=_FILE,
        help="PEM of authorities to trust instead of all others, and lists of what they revoked.",
    ),
    click.option("--proxy", metavar="URL", help="http://, https:// or socks5h://host:port."),
    click.option("--proxy-auth-file", type=_FILE, help="File with the proxy's user:password."),
    click.option("--connect-to", metavar="IP", help="Instead of looking the URL's host up."),
    click.option("--name-server", metavar="IP[:PORT]", help="To ask instead of the machine's own."),
    click.option(
        "--phase-timeout",
        "phase_timeouts",
        multiple=True,
        metavar="PHASE=DURATION",
        help="Longer is down. Repeatable.",
    ),
)


def terms_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets ``request`` with them, ``connect_to``, ``name_server``."""

    @wraps(command)
    def with_terms(
        *,
        request: Request,
        auth: str,
        auth_file: Path | None,
        secret_headers: Sequence[str],
        client_cert: Path | None,
        client_key: Path | None,
        ca_file: Path | None,
        proxy: str | None,
        proxy_auth_file: Path | None,
        connect_to: str | None,
        name_server: str | None,
        phase_timeouts: Sequence[str],
        **rest: Any,
    ) -> Any:
        from agent.request import check_request
        from agent.resolv_conf import parse_server

        try:
            request = replace(
                request,
                secret_headers=(
                    *_authorization(auth, _content(auth_file)),
                    *map(_header, secret_headers),
                ),
                client_certificate=_pem("--client-cert", client_cert),
                client_key=_pem("--client-key", client_key),
                authority=_pem("--ca-file", ca_file),
                proxy=_proxy(proxy, _content(proxy_auth_file)),
                phase_timeouts=_phases(phase_timeouts) if phase_timeouts else None,
            )
            check_request(request)
            address = _address(connect_to) if connect_to else ""
            server = parse_server(name_server) if name_server else None
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        return command(request=request, connect_to=address, name_server=server, **rest)

    for option in reversed(_OPTIONS):
        with_terms = option(with_terms)
    return with_terms


def _pem(option: str, file: Path | None) -> bytes:
    text = _content(file)
    if text and "-----BEGIN " not in text:
        raise ValueError(f"{option} {file} holds no PEM.")
    return text.encode()


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no address to connect to; write it like 192.0.2.7 or 2001:db8::7."
        ) from error


def _authorization(kind: str, text: str) -> Iterator[tuple[str, str]]:
    from agent.request import basic_authorization

    if text and kind == "bearer":
        yield "Authorization", f"Bearer {text}"
    elif text:
        yield basic_authorization(*_login(text))


def _login(text: str) -> tuple[str, str]:
    username, colon, password = text.partition(":")
    if not colon or not username:
        raise ValueError("The file with the credentials does not read user:password.")
    return username, password


def _header(text: str) -> tuple[str, str]:
    name, sign, file = text.partition("=")
    if not sign or not file:
        raise ValueError(f"--secret-header {text!r}: write NAME=FILE, the value in the file.")
    return name.strip(), _content(Path(file))


def _proxy(url: str | None, text: str) -> Proxy | None:
    if url is None:
        if text:
            raise ValueError("There is a password for a proxy and no --proxy.")
        return None
    return Proxy(url, *_login(text)) if text else Proxy(url)


def _phases(texts: Sequence[str]) -> Phases:
    limits = {}
    for text in texts:
        phase, _, limit = text.partition("=")
        if phase not in PHASES:
            raise ValueError(
                f"--phase-timeout {text!r}: write it like wait=300ms, of {', '.join(PHASES)}."
            )
        try:
            limits[f"{phase}_us"] = round(seconds(limit) * 1_000_000)
        except ValueError as error:
            raise ValueError(f"--phase-timeout {text!r}: {error}") from error
    return Phases(**limits)


def _content(file: Path | None) -> str:
    """Return a file's text without the white space around it; empty: no file."""
    if file is None:
        return ""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} cannot be read: {reason(error)}.") from error
    if not text.strip():
        raise ValueError(f"{file} is empty.")
    return text.strip()
