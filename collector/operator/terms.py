"""Options that say on which terms a request is made. Secrets come from files, never as arguments.

A file named - is standard input.
"""

from __future__ import annotations

import sys
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click

from collector.errors import CollectorError, reason
from collector.keyring import Keyring
from collector.operator.duration import Duration
from collector.secret import Secrets, check_secrets
from collector.terms import Terms, name_server_of

FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)

SECRET_OPTIONS = (
    click.option(
        "--auth",
        type=click.Choice(["basic", "bearer"]),
        default="basic",
        show_default=True,
        help="What --auth-file holds: user:password, or a token.",
    ),
    click.option(
        "--auth-file",
        type=FILE,
        envvar="VANTAGE_AUTH_FILE",
        show_envvar=True,
        help="File with the authorization; - is standard input.",
    ),
    click.option(
        "--secret-header",
        "secret_headers",
        multiple=True,
        metavar="NAME=FILE",
        help="Header whose value is in FILE and is never shown. Repeatable.",
    ),
    click.option("--client-key", type=FILE, help="File with its key, PEM."),
    click.option("--proxy-auth-file", type=FILE, help="File with the proxy's user:password."),
)
TERMS_OPTIONS = (
    click.option("--client-cert", type=FILE, help="File with a certificate to show, PEM."),
    click.option(
        "--ca-file",
        type=FILE,
        help="PEM of authorities to trust instead of all others, and lists of what they revoked.",
    ),
    click.option("--proxy", metavar="URL", help="http://, https:// or socks5h://host:port."),
    click.option("--connect-to", metavar="IP", help="Instead of looking the URL's host up."),
    click.option("--name-server", metavar="IP[:PORT]", help="To ask instead of the agent's own."),
    click.option(
        "--phase-timeout",
        "phase_timeouts",
        multiple=True,
        metavar="PHASE=DURATION",
        help="Longer is down. Repeatable.",
    ),
)


def terms_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets ``terms`` and ``secrets``."""

    @wraps(command)
    def with_terms(
        *,
        client_cert: Path | None,
        ca_file: Path | None,
        proxy: str | None,
        connect_to: str | None,
        name_server: str | None,
        phase_timeouts: Sequence[str],
        **rest: Any,
    ) -> Any:
        try:
            terms = Terms(
                client_certificate=content(client_cert),
                authority=content(ca_file),
                proxy=proxy,
                connect_to=connect_to,
                name_server=None if name_server is None else name_server_of(name_server),
                phase_timeouts=dict(map(phase_timeout, phase_timeouts)),
            )
        except CollectorError as error:
            raise click.UsageError(str(error)) from error
        return command(terms=terms, **rest)

    for option in reversed(TERMS_OPTIONS):
        with_terms = option(with_terms)
    return secret_options(with_terms)


def secret_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets ``secrets``."""

    @wraps(command)
    def with_secrets(
        *,
        auth: str,
        auth_file: Path | None,
        secret_headers: Sequence[str],
        client_key: Path | None,
        proxy_auth_file: Path | None,
        **rest: Any,
    ) -> Any:
        try:
            secrets = Secrets(
                headers=(*authorization(auth, content(auth_file)), *map(header, secret_headers)),
                client_key=content(client_key),
                proxy=None if proxy_auth_file is None else login(content(proxy_auth_file) or ""),
            )
            check_secrets(secrets)
        except CollectorError as error:
            raise click.UsageError(str(error)) from error
        return command(secrets=secrets, **rest)

    for option in reversed(SECRET_OPTIONS):
        with_secrets = option(with_secrets)
    return with_secrets


def keyring_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--secret-key-file``; the command gets ``keyring``. Goes inside ``on_database``."""

    @wraps(command)
    def with_keyring(*, secret_key_file: Path | None, **rest: Any) -> Any:
        home: Path = click.get_current_context().params["home"]
        return command(keyring=Keyring(secret_key_file or home / "secret.key"), **rest)

    return click.option(
        "--secret-key-file",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="VANTAGE_SECRET_KEY_FILE",
        show_envvar=True,
        help="File of the keys that seal secrets.  [default: secret.key in --home]",
    )(with_keyring)


def authorization(kind: str, text: str | None) -> Iterator[tuple[str, str]]:
    """Return the header Authorization, if there is any (RFC 7617, RFC 6750)."""
    if text is None:
        return
    if kind == "bearer":
        yield "Authorization", f"Bearer {text}"
    else:
        encoded = b64encode(":".join(login(text)).encode()).decode()
        yield "Authorization", f"Basic {encoded}"


def login(text: str) -> tuple[str, str]:
    """Split user:password, which may be followed by the end of a line."""
    username, colon, password = text.partition(":")
    if not colon or not username:
        raise CollectorError("The file with the credentials does not read user:password.")
    return username, password


def header(text: str) -> tuple[str, str]:
    """Read NAME=FILE."""
    name, sign, file = text.partition("=")
    if not sign or not file:
        raise CollectorError(f"--secret-header {text!r}: write NAME=FILE, the value in the file.")
    return name.strip(), content(Path(file)) or ""


def phase_timeout(text: str) -> tuple[str, int]:
    """Read PHASE=DURATION into microseconds."""
    phase, _, duration = text.partition("=")
    return phase.strip(), round(Duration().convert(duration, None, None) * 1_000_000)


def content(file: Path | None) -> str | None:
    """Return a file's text without the white space around it; None: no file.

    Raises: CollectorError.
    """
    if file is None:
        return None
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CollectorError(f"{file} cannot be read: {reason(error)}.") from error
    if not text.strip():
        raise CollectorError(f"{file} is empty.")
    return text.strip()
