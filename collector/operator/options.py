"""The options that define a monitor: for vantage monitor add, and for edit, which changes some."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import click
from click.core import ParameterSource

from collector.assertion import Assertion
from collector.errors import CollectorError
from collector.monitor import Monitor, tags_of
from collector.operator.duration import Duration
from collector.operator.expectation import expectation_options
from collector.operator.request import request_options
from collector.operator.terms import terms_options
from collector.request import Request
from collector.secret import Secrets
from collector.terms import Terms

OPTIONS = (
    click.option("--name", help="As shown to people.  [default: the URL without its scheme]"),
    click.option(
        "--location",
        "locations",
        multiple=True,
        help="Repeatable.  [default: all, also those to come]",
    ),
    click.option(
        "--interval",
        type=Duration(),
        default="60s",
        show_default=True,
        help="How often each location probes it.",
    ),
    click.option(
        "--timeout",
        type=Duration(),
        default="10s",
        show_default=True,
        help="For everything, redirects included.",
    ),
    click.option("--slow", type=Duration(), help="Slower than this is degraded.  [default: never]"),
    click.option(
        "--max-redirects",
        type=click.IntRange(0, 50),
        default=10,
        show_default=True,
        help="0: none.",
    ),
    click.option(
        "--page", is_flag=True, help="Fetch style sheets, scripts, images and fonts as well."
    ),
    click.option("--tag", "tags", multiple=True, help="What it is grouped by. Repeatable."),
    click.option("--paused", is_flag=True, help="It is not probed, until --unset paused."),
)

# Which fields of which part a parameter is about.
MONITOR = {
    "target": ("url",),
    "name": ("name",),
    "locations": ("locations",),
    "interval": ("interval_s",),
    "timeout": ("timeout_s",),
    "slow": ("slow_s",),
    "max_redirects": ("max_redirects",),
    "page": ("kind",),
    "paused": ("is_paused",),
    "tags": ("tags",),
}
REQUEST = {
    "method": ("method",),
    "headers": ("headers",),
    "body": ("body",),
    "body_file": ("body",),
    "ip_version": ("ip_version", "is_paired"),
    "http_version": ("http_version",),
    "insecure": ("is_insecure",),
    "no_compression": ("is_uncompressed",),
}
TERMS = {
    "client_cert": ("client_certificate",),
    "ca_file": ("authority",),
    "proxy": ("proxy",),
    "connect_to": ("connect_to",),
    "name_server": ("name_server",),
    "phase_timeouts": ("phase_timeouts",),
}
# Which kinds of assertion.
EXPECTED = {
    "status": ("status",),
    "expect_http_version": ("http_version",),
    "headers_expected": ("header_present", "header_equals", "header_matches"),
    "contains": ("body_contains",),
    "matches": ("body_matches",),
    "json_paths": ("json_equals",),
    "min_bytes": ("size",),
    "max_bytes": ("size",),
    "cert_days": ("cert_days",),
    "final_url": ("url",),
    "network": ("network",),
    "limits": ("limit",),
    "max_loss": ("loss",),
}
SECRETS = {
    "auth_file": ("authorization",),
    "secret_headers": ("headers",),
    "client_key": ("client_key",),
    "proxy_auth_file": ("proxy",),
}


@dataclass(frozen=True, slots=True)
class Given:
    """What the options say, defaults included; ``names``: the parameters given, or unset."""

    monitor: Monitor
    secrets: Secrets
    names: frozenset[str]

    def fields(self, part: Mapping[str, tuple[str, ...]]) -> list[str]:
        """Return the fields of a part that are said anew."""
        return [field for name in part if name in self.names for field in part[name]]

    def over(self, current: Monitor) -> Monitor:
        """Return a monitor changed where something was given."""
        own, wanted = self.monitor, self.fields(MONITOR)
        monitor = replace(current, **{name: getattr(own, name) for name in wanted})
        return replace(
            monitor,
            request=self.request_over(current.request),
            terms=self.terms_over(current.terms),
            assertions=self.assertions_over(current.assertions),
        )

    def request_over(self, current: Request) -> Request:
        own, wanted = self.monitor.request, self.fields(REQUEST)
        # A body makes a POST of a GET, as it does in a new monitor.
        if "body" in wanted and "method" not in wanted and current.method in ("GET", "POST"):
            wanted.append("method")
        return replace(current, **{name: getattr(own, name) for name in wanted})

    def terms_over(self, current: Terms) -> Terms:
        own = self.monitor.terms
        return replace(current, **{name: getattr(own, name) for name in self.fields(TERMS)})

    def assertions_over(self, current: Sequence[Assertion]) -> tuple[Assertion, ...]:
        kinds = self.fields(EXPECTED)
        return (
            *(each for each in current if each["kind"] not in kinds),
            *(each for each in self.monitor.assertions if each["kind"] in kinds),
        )

    def secrets_over(self, current: Secrets) -> Secrets:
        """Return secrets changed where some were given."""
        own, wanted = self.secrets, self.fields(SECRETS)
        headers = [each for each in current.headers if part_of(each[0]) not in wanted]
        headers += [each for each in own.headers if part_of(each[0]) in wanted]
        return Secrets(
            headers=tuple(headers),
            client_key=own.client_key if "client_key" in wanted else current.client_key,
            proxy=own.proxy if "proxy" in wanted else current.proxy,
        )


def part_of(header: str) -> str:
    """Tell which option a secret header comes from."""
    return "authorization" if header.lower() == "authorization" else "headers"


class Change(click.Command):
    """A command that changes a monitor: it tells no defaults, for what is not given stays."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        for each in self.params:
            if isinstance(each, click.Option) and each.name in settable():
                each.show_default = False
                each.help = (each.help or "").partition("[default: ")[0].rstrip()


def monitor_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command, whose URL is its parameter ``target``, gets ``given``."""

    @wraps(command)
    def with_monitor(
        *,
        target: str | None,
        name: str | None,
        locations: Sequence[str],
        interval: float,
        timeout: float,
        slow: float | None,
        max_redirects: int,
        page: bool,
        paused: bool,
        tags: Sequence[str],
        request: Request,
        terms: Terms,
        secrets: Secrets,
        assertions: Sequence[Assertion],
        unset: Sequence[str] = (),
        **rest: Any,
    ) -> Any:
        try:
            own_tags = tags_of(tags)
        except CollectorError as error:
            raise click.UsageError(str(error)) from error
        monitor = Monitor(
            url=target or "",
            name=name or "",
            kind="page" if page else "request",
            is_paused=paused,
            tags=own_tags,
            locations=tuple(locations) or None,
            interval_s=interval,
            timeout_s=timeout,
            slow_s=slow,
            max_redirects=max_redirects,
            request=request,
            terms=terms,
            assertions=tuple(assertions),
        )
        return command(given=Given(monitor, secrets, names(unset)), **rest)

    decorated = request_options(terms_options(expectation_options(with_monitor)))
    for option in reversed(OPTIONS):
        decorated = option(decorated)
    return decorated


def names(unset: Sequence[str]) -> frozenset[str]:
    """Return which parameters of the command under way were given, or unset."""
    context = click.get_current_context()
    parameters = {
        option.removeprefix("--"): each.name or ""
        for each in context.command.params
        for option in each.opts
        if isinstance(each, click.Option) and each.name in settable()
    }
    given = {
        name
        for name in settable()
        if context.get_parameter_source(name)
        in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    }
    for option in unset:
        if option.removeprefix("--") not in parameters:
            known = ", ".join(sorted(parameters))
            raise click.UsageError(f"--unset {option!r}: there is {known}.")
        if parameters[option.removeprefix("--")] in given:
            raise click.UsageError(f"--{option.removeprefix('--')} is both given and unset.")
    return frozenset(given | {parameters[each.removeprefix("--")] for each in unset})


def settable() -> set[str]:
    """Return the parameters that define a monitor."""
    return {name for part in (MONITOR, REQUEST, TERMS, EXPECTED, SECRETS) for name in part}
