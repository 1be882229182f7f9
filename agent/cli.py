"""vantage-agent: join, run, doctor, probe. What only one command needs is imported inside it."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from agent.duration import Duration
from agent.errors import AgentError, FatalError, reason
from agent.expectation import expectation_options
from agent.home import Home, default_path, home_argument
from agent.terms import terms_options

if TYPE_CHECKING:
    from agent.result import Assertion, Monitor, Request, Result

Command = TypeVar("Command", bound=Callable[..., Any])

_EVERY_NETWORK = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
_DOWN = 1
_SHIFTS = {"": 0, "K": 10, "M": 20, "G": 30}


class Network(click.ParamType[Any]):
    """An IPv4 or IPv6 network."""

    name = "cidr"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return ipaddress.ip_network(value)
        except ValueError as error:
            self.fail(f"{error}; write it like 10.0.0.0/8 or fd00::/8.", param, ctx)


class Address(click.ParamType[str]):
    """An IPv4 or IPv6 address of this machine."""

    name = "ip"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return str(ipaddress.ip_address(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class HostPort(click.ParamType[str]):
    """host:port, the host in brackets where it is an IPv6 address."""

    name = "host:port"

    def __init__(self, *, host_optional: bool = False) -> None:
        self._default_host = "127.0.0.1" if host_optional else ""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from agent.address import parse_address

        if str(value).startswith(":"):
            value = f"{self._default_host}{value}"
        try:
            parse_address(value, "The address")
        except FatalError as error:
            self.fail(str(error), param, ctx)
        return str(value)


class Size(click.ParamType[int]):
    """Bytes, with an optional K, M or G (powers of 1024)."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        text = str(value)
        digits = text.rstrip("KMG")
        unit = text[len(digits) :]
        if not digits.isdecimal() or unit not in _SHIFTS:
            self.fail(f"{text!r} is not a size; write it like 500M or 2G.", param, ctx)
        return int(digits) << _SHIFTS[unit]


class Program(click.Group):
    """Turns what an operator can put right into one sentence and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except AgentError as error:
            raise click.ClickException(str(error)) from error


def setting(name: str, **attributes: Any) -> Callable[[Command], Command]:
    """Add ``--name``, which also reads VANTAGE_AGENT_NAME."""
    variable = "VANTAGE_AGENT_" + name.upper().replace("-", "_")
    return click.option(f"--{name}", envvar=variable, show_envvar=True, **attributes)


home_setting = setting(
    "home",
    type=click.Path(path_type=Path, file_okay=False),
    default=default_path,
    show_default="/var/lib/vantage-agent for root, else ~/.local/state/vantage-agent",
    help="The agent's directory: its key, certificate and spool.",
)
trust_ca_setting = setting(
    "trust-ca",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="PEM file of certificate authorities to trust beside the system's, when probing.",
)


@click.group(cls=Program)
@click.version_option(package_name="vantage-monitor", prog_name="vantage-agent")
def main() -> None:
    """Measure URLs from this machine for a Vantage installation."""


@main.command()
@click.argument("token", envvar="VANTAGE_TOKEN", required=False)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    envvar="VANTAGE_TOKEN_FILE",
    show_envvar=True,
    help="File that holds the token.",
)
@home_setting
@setting(
    "name",
    default=socket.gethostname,
    show_default="the host name",
    help="What to call this agent in listings.",
)
@click.option(
    "--replace", is_flag=True, help="Become another agent, though this machine is one already."
)
def join(token: str | None, token_file: Path | None, home: Path, name: str, replace: bool) -> None:
    """Make this machine an agent, with a token from the centre.

    TOKEN is what `vantage agent token` printed; - reads it from standard input, and it may stand in
    VANTAGE_TOKEN. A token of `vantage agent token --agent ID` gives the agent that this machine is
    a new certificate.
    """
    import uvloop

    from agent import enrolment

    invitation = enrolment.parse_token(_invitation(token, token_file))
    directory = Home(home)
    with directory.lock():
        former = directory.identity().agent_id if directory.is_joined and not replace else ""
        identity = uvloop.run(enrolment.join(directory, invitation, name, stay=former))
        aside = directory.set_spool_aside(identity.agent_id)
    again = " again: its results are kept" if former else ""
    click.echo(f"Joined as agent {identity.agent_id} at location {identity.location}{again}.")
    if aside:
        click.echo(f"Results the former agent had not delivered are kept in {aside}.")
    click.echo("Start it with: vantage-agent run" + home_argument(home))


@main.command()
@home_setting
@setting(
    "collector",
    type=HostPort(),
    help="Deliver to this address instead of the one learnt when joining.",
)
@setting(
    "allow-network",
    type=Network(),
    multiple=True,
    help="A private network that may be probed all the same. May be repeated.",
)
@setting("source-address", type=Address(), help="Local address that probes leave from.")
@trust_ca_setting
@setting(
    "max-in-flight",
    type=click.IntRange(1, 10_000),
    help="Probes at one time; slots beyond are told as missed."
    "  [default: as many as leave it on time]",
)
@setting(
    "spool-limit",
    type=Size(),
    default="1G",
    show_default=True,
    help="How much the spool may occupy; then what was acknowledged goes, then the oldest results.",
)
@setting(
    "spool-max-age",
    type=Duration(),
    default="30d",
    show_default=True,
    help="What is undelivered in files of the spool last written longer ago than this is dropped.",
)
@setting(
    "keep-acknowledged",
    type=Duration(),
    default="1h",
    show_default=True,
    help="How long delivered results are kept, for a database that is restored from a backup.",
)
@setting(
    "metrics-listen",
    type=HostPort(host_optional=True),
    help="Where to show /metrics for Prometheus, plain HTTP; :PORT is on 127.0.0.1.  "
    "[default: nowhere]",
)
@setting(
    "log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="Least severe event to log.",
)
def run(
    home: Path,
    collector: str | None,
    allow_network: tuple[Any, ...],
    source_address: str | None,
    trust_ca: Path | None,
    max_in_flight: int | None,
    spool_limit: int,
    metrics_listen: str | None,
    spool_max_age: float,
    keep_acknowledged: float,
    log_level: str,
) -> None:
    """Probe and deliver until stopped."""
    import structlog

    from agent import log, process

    log.configure(log_level)
    settings = process.Settings(
        home=home,
        collector=collector,
        allow_networks=allow_network,
        source_address=source_address,
        trust_ca=trust_ca,
        max_in_flight=max_in_flight,
        spool_limit_bytes=spool_limit,
        metrics_listen=metrics_listen,
        spool_max_age_s=spool_max_age,
        keep_acknowledged_s=keep_acknowledged,
    )
    try:
        process.run(settings)
    except AgentError:
        raise
    except Exception:
        structlog.get_logger().critical("agent_crashed", exc_info=True)
        sys.exit(70)


@main.command()
@home_setting
@setting(
    "collector",
    type=HostPort(),
    help="Try this address instead of the one learnt when joining; before joining, that of "
    "enrolment, HOST:7444.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(home: Path, collector: str | None, as_json: bool) -> None:
    """Say whether this machine is fit to be an agent.

    Each finding says what to do about it. Changes nothing. Exit code 0: fit, maybe with warnings;
    1: there is a problem.
    """
    import json
    from dataclasses import asdict

    import uvloop

    from agent import doctor as doctor_

    findings = uvloop.run(doctor_.examine(home, collector))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for line in doctor_.lines(findings):
            click.echo(line)
    sys.exit(any(finding.status is doctor_.Status.PROBLEM for finding in findings))


@main.command()
@click.argument("url")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option(
    "--timeout",
    type=Duration(0.1, 60),
    default="10s",
    show_default=True,
    help="For everything, redirects included.",
)
@click.option(
    "--max-redirects",
    type=click.IntRange(0, 50),
    default=10,
    show_default=True,
    help="Redirects to follow; 0 judges a redirect itself.",
)
@click.option("--slow", type=Duration(), help="Slower than this is degraded.  [default: never]")
@click.option("--page", is_flag=True, help="Fetch style sheets, scripts, images and fonts as well.")
@trust_ca_setting
@expectation_options
@terms_options
def probe(
    url: str,
    as_json: bool,
    timeout: float,
    max_redirects: int,
    slow: float | None,
    page: bool,
    trust_ca: Path | None,
    request: Request,
    ip_version: int,
    is_paired: bool,
    connect_to: str,
    name_server: tuple[str, int] | None,
    assertions: tuple[Assertion, ...],
) -> None:
    """Probe URL once and show how its time was spent. Any address is allowed.

    Exit code 0: up or degraded; 1: down; 2: not a usable URL or option.
    """
    import json

    import uvloop

    from agent import waterfall
    from agent.result import Monitor, Outcome
    from vantage.scheme import HTTP, check_applicable
    from vantage.url import target_of

    try:
        target = target_of(url)
        judged = [(each.kind, each.name) for each in assertions]
        check_applicable(target.scheme, request, judged)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    is_got = request.method == "GET" and not request.body
    if page and not (is_got and target.scheme in HTTP):
        raise click.UsageError(
            "A page is an http or https URL, fetched with GET and without a body; leave out --page."
        )
    monitor = Monitor(
        id=0,
        url=target.url,
        timeout_us=round(timeout * 1e6),
        slow_us=None if slow is None else round(slow * 1e6),
        max_redirects=max_redirects,
        request=request,
        ip_version=ip_version,
        is_paired=is_paired,
        connect_to=connect_to,
        name_server=name_server,
        assertions=assertions,
        kind="page" if page else "request",
    )
    result = uvloop.run(_probe_once(monitor, trust_ca))
    if as_json:
        click.echo(json.dumps(waterfall.as_json(result), indent=2))
    else:
        width = min(120, os.get_terminal_size().columns) if sys.stdout.isatty() else 80
        click.echo(waterfall.waterfall(result, width=width))
    sys.exit(_DOWN if result.outcome is Outcome.DOWN else 0)


async def _probe_once(monitor: Monitor, trust_ca: Path | None) -> Result:
    from agent.needed import load_needed
    from agent.probe import Prober

    load_needed(monitor)
    prober = Prober(allow_networks=_EVERY_NETWORK, trust_ca=trust_ca)
    try:
        return await prober.probe(monitor)
    finally:
        await prober.close()


def _invitation(token: str | None, token_file: Path | None) -> str:
    """Return the token from wherever it was given."""
    if token:
        return sys.stdin.read() if token.strip() == "-" else token
    if token_file is None:
        raise click.UsageError(
            "Give the token that `vantage agent token` printed: as TOKEN, in VANTAGE_TOKEN,"
            " with --token-file, or on standard input with TOKEN -."
        )
    try:
        return token_file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise FatalError(f"The token file {token_file} cannot be read: {reason(error)}.") from error
