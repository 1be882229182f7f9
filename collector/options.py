"""What the collector's command lines share: addresses, the database, errors as sentences."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from collector.errors import CollectorError, first, reason
from vantage.public_url import read_public_url

P = ParamSpec("P")
R = TypeVar("R")


class Program(click.Group):
    """Makes our own exceptions one sentence on stderr and exit code 1; others are bugs."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CollectorError as error:
            raise click.ClickException(str(error)) from error
        except BaseExceptionGroup as group:
            ours, bugs = group.split(CollectorError)
            if ours is None or bugs is not None:
                raise
            raise click.ClickException(str(first(ours))) from group


class Address(click.ParamType[str]):
    """host:port, the host in brackets where it is an IPv6 address."""

    name = "host:port"

    def __init__(self, *, host_optional: bool = False) -> None:
        self.host_optional = host_optional

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        host, colon, port = str(value).rpartition(":")
        sound = colon and port.isdecimal() and 0 < int(port) < 65536
        if (
            not sound
            or (not host and not self.host_optional)
            or (":" in host.strip("[]")) != (host.startswith("[") and host.endswith("]"))
        ):
            self.fail(f"{value!r} is not host:port, such as 127.0.0.1:7443 or [::1]:7443.")
        return str(value)


class Network(click.ParamType[IPv4Network | IPv6Network]):
    """A network as CIDR, without bits of a host in it."""

    name = "network"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> IPv4Network | IPv6Network:
        try:
            return ip_network(value)
        except ValueError:
            self.fail(f"{value!r} is no network: write it as 10.0.0.0/8.")


class PublicUrl(click.ParamType[str]):
    """How people reach the report centre, without a slash at the end."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return read_public_url(value)
        except ValueError as error:
            self.fail(str(error))


def database_option(*, required: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Add ``--database`` (and ``--database-file``, for a URL that holds a password).

    The command gets ``database``: the URL, or None when neither was given and none is required.
    """

    def decorate(command: Callable[P, R]) -> Callable[P, R]:
        @wraps(command)
        def with_database(*args: P.args, **kwargs: P.kwargs) -> R:
            url, file = kwargs.pop("database"), kwargs.pop("database_file")
            if isinstance(file, Path):
                url = read_secret(file)
            if required and not url:
                raise click.UsageError(
                    "Name the database: --database, --database-file or VANTAGE_DATABASE."
                )
            kwargs["database"] = url
            return command(*args, **kwargs)

        url_option = click.option(
            "--database",
            envvar="VANTAGE_DATABASE",
            show_envvar=True,
            help="URL of a PostgreSQL with TimescaleDB. With a password, prefer the environment "
            "or a file: command lines are visible to others.",
        )
        file_option = click.option(
            "--database-file",
            type=click.Path(path_type=Path),
            envvar="VANTAGE_DATABASE_FILE",
            show_envvar=True,
            help="File that holds the database's URL.",
        )
        return url_option(file_option(with_database))

    return decorate


def password_file_option(role: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Add ``--ROLE-password-file``; the command gets the path, or None."""
    return click.option(
        f"--{role}-password-file",
        type=click.Path(path_type=Path),
        envvar=f"VANTAGE_{role.upper()}_PASSWORD_FILE",
        show_envvar=True,
        help=f"File that holds a password to give vantage_{role}.",
    )


def read_secret(file: Path) -> str:
    """Return a file's text without the white space around it.

    Raises: CollectorError when it cannot be read or is empty.
    """
    try:
        secret = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CollectorError(f"{file} cannot be read: {reason(error)}.") from error
    if not secret:
        raise CollectorError(f"{file} is empty.")
    return secret
