"""Options that say what is asked of the server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click

from collector.errors import CollectorError
from collector.request import Request, check_header, check_request
from vantage.request import HTTP_VERSIONS, METHODS


class Header(click.ParamType[tuple[str, str]]):
    """A header, 'Name: value'."""

    name = "header"

    def convert(self, value: object, param: object, ctx: click.Context | None) -> tuple[str, str]:
        name, colon, content = str(value).partition(":")
        try:
            if not colon:
                raise CollectorError(f"{value!r} has no colon; write 'Name: value'.")
            check_header(name.strip(), content.strip())
        except CollectorError as error:
            raise click.BadParameter(str(error)) from error
        return name.strip(), content.strip()


OPTIONS = (
    click.option(
        "--method",
        type=click.Choice(METHODS, case_sensitive=False),
        help="[default: GET, or POST with a body]",
    ),
    click.option(
        "--header",
        "headers",
        type=Header(),
        multiple=True,
        metavar="'NAME: VALUE'",
        help="Repeatable. Never sent to another origin, but stored readable.",
    ),
    click.option("--body", help="Text to send.  [default: no body]"),
    click.option(
        "--body-file",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="File to send.",
    ),
    click.option("--ip-version", type=click.Choice(["4", "6", "both"]), help="[default: any]"),
    click.option(
        "--http-version",
        type=click.Choice(HTTP_VERSIONS),
        help="Speak no other.  [default: negotiated]",
    ),
    click.option("--insecure", is_flag=True, help="Do not verify the server's certificate."),
    click.option("--no-compression", is_flag=True, help="Ask for no compressed body."),
)


def request_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets ``request``, one that agents can make."""

    @wraps(command)
    def with_request(
        *,
        method: str | None,
        headers: Sequence[tuple[str, str]],
        body: str | None,
        body_file: Path | None,
        ip_version: str | None,
        http_version: str | None,
        insecure: bool,
        no_compression: bool,
        **rest: Any,
    ) -> Any:
        try:
            content = body_of(body, body_file)
            request = Request(
                method=method or ("GET" if content is None else "POST"),
                headers=tuple(headers),
                body=content,
                ip_version=int(ip_version) if ip_version in ("4", "6") else None,
                is_paired=ip_version == "both",
                http_version=http_version,
                is_insecure=insecure,
                is_uncompressed=no_compression,
            )
            check_request(request)
        except CollectorError as error:
            raise click.UsageError(str(error)) from error
        return command(request=request, **rest)

    for option in reversed(OPTIONS):
        with_request = option(with_request)
    return with_request


def body_of(text: str | None, file: Path | None) -> bytes | None:
    """Return what is to be sent; None: nothing."""
    if text is not None and file is not None:
        raise CollectorError("Both --body and --body-file are given; give one of them.")
    if file is None:
        return None if text is None else text.encode("utf-8", "surrogateescape")
    try:
        return file.read_bytes()
    except OSError as error:
        raise CollectorError(f"The body cannot be read from {file}: {error.strerror}.") from error
