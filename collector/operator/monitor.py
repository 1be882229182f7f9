"""vantage monitor: what is watched."""

from __future__ import annotations

import re
from collections.abc import Sequence

import click
from psycopg.types.json import Jsonb

from collector import db
from collector.applicable import check_applicable
from collector.assertion import Assertion, check_assertions
from collector.errors import CollectorError
from collector.keyring import Keyring
from collector.operator import definition
from collector.operator.account import account_id
from collector.operator.duration import Duration
from collector.operator.expectation import expectation_options
from collector.operator.request import request_options
from collector.operator.table import json_option, show
from collector.operator.target import on_database
from collector.operator.terms import keyring_option, terms_options
from collector.request import Request, check_request
from collector.secret import NONE, Secrets, store_secrets
from collector.terms import Terms, check_terms
from collector.url import check_url

PLAIN = Request()
FREE = Terms()


@click.group()
def monitor() -> None:
    """Monitors: what is watched."""


@monitor.command("add")
@click.argument("target", metavar="URL")
@click.option("--name", help="As shown to people.  [default: the URL without its scheme]")
@click.option("--account", help="Whose monitor it is.  [default: the only account]")
@click.option(
    "--location", "locations", multiple=True, help="Repeatable.  [default: all, also those to come]"
)
@click.option("--interval", type=Duration(), default="60s", show_default=True)
@click.option("--timeout", type=Duration(), default="10s", show_default=True)
@click.option("--slow", type=Duration(), help="Slower than this is degraded.  [default: never]")
@click.option(
    "--max-redirects", type=click.IntRange(0, 50), default=10, show_default=True, help="0: none."
)
@click.option("--page", is_flag=True, help="Fetch style sheets, scripts, images and fonts as well.")
@request_options
@terms_options
@expectation_options
@on_database
@keyring_option
def add(
    target: str,
    name: str | None,
    account: str | None,
    locations: Sequence[str],
    interval: float,
    timeout: float,
    slow: float | None,
    max_redirects: int,
    page: bool,
    url: str,
    request: Request,
    terms: Terms,
    secrets: Secrets,
    keyring: Keyring,
    assertions: Sequence[Assertion],
) -> None:
    """Watch URL from every location, or from those named only.

    What is not as expected makes a result down; only --slow, --limit and --cert-days degrade it.
    docs/monitors.md explains every option.
    """
    with db.session(url) as connection:
        monitor_id = add_monitor(
            connection,
            account_id=account_id(connection, account),
            url=target,
            name=name,
            locations=locations,
            interval_s=interval,
            timeout_s=timeout,
            slow_s=slow,
            max_redirects=max_redirects,
            request=request,
            terms=terms,
            secrets=secrets,
            assertions=assertions,
            kind="page" if page else "request",
        )
        if secrets.names:
            store_secrets(connection, monitor_id, secrets, keyring)
    click.echo(f"Watching {target} as monitor {monitor_id}.")


def add_monitor(
    connection: db.Connection,
    *,
    account_id: int,
    url: str,
    name: str | None = None,
    locations: Sequence[str] = (),
    interval_s: float = 60,
    timeout_s: float = 10,
    slow_s: float | None = None,
    max_redirects: int = 10,
    request: Request = PLAIN,
    terms: Terms = FREE,
    secrets: Secrets = NONE,
    assertions: Sequence[Assertion] = (),
    kind: str = "request",
) -> int:
    """Insert a monitor at the named locations, or at all there are and will be; return its id.

    Its secrets are only checked; ``store_secrets`` stores them.

    Raises: CollectorError for a URL, a duration, a request, an assertion or a location that cannot
    be.
    """
    check_url(url)
    check_request(request)
    check_terms(terms, secrets, url, request)
    check_assertions(assertions)
    check_applicable(url, request, assertions)
    is_got = request.method == "GET" and request.body is None
    if kind == "page" and not (is_got and re.match("https?://", url)):
        raise CollectorError(
            "A page is an http or https URL, fetched with GET and without a body; leave out --page."
        )
    if kind == "page" and (request.is_paired or terms.phase_timeouts):
        raise CollectorError("A page has one family and no timeouts of phases; leave out --page.")
    if interval_s != int(interval_s) or not 1 <= interval_s <= 86400:
        raise CollectorError(f"The interval is {interval_s:g} s: 1 s to 24 h in whole seconds.")
    if not 0.1 <= timeout_s <= 60:
        raise CollectorError(f"The timeout is {timeout_s:g} s: 0.1 s to 60 s can be.")
    if slow_s is not None and not 0 < slow_s <= timeout_s:
        raise CollectorError(
            f"The limit for slowness is {slow_s:g} s: more than 0 and at most the timeout "
            f"({timeout_s:g} s) can be."
        )
    statements = db.queries("operator")
    known = [row["name"] for row in connection.execute(statements["locations"])]
    for location in locations:
        if location not in known:
            raise CollectorError(
                f"There is no location {location!r}. Locations: {', '.join(known) or 'none yet'}."
            )
    row = connection.execute(
        statements["add_monitor"],
        {
            "account_id": account_id,
            "name": name or re.sub(r"^\w+://|/$", "", url),
            "url": url,
            "interval_s": int(interval_s),
            "timeout_us": round(timeout_s * 1_000_000),
            "slow_us": None if slow_s is None else round(slow_s * 1_000_000),
            "max_redirects": max_redirects,
            "method": request.method,
            "headers": Jsonb([{"name": name, "value": value} for name, value in request.headers]),
            "body": request.body,
            "ip_version": request.ip_version,
            "http_version": request.http_version,
            "is_insecure": request.is_insecure,
            "is_uncompressed": request.is_uncompressed,
            "is_paired": request.is_paired,
            "client_certificate": terms.client_certificate,
            "authority": terms.authority,
            "proxy": terms.proxy,
            "connect_to": terms.connect_to,
            "name_server": terms.name_server,
            "phase_timeouts": Jsonb(dict(terms.phase_timeouts)),
            "assertions": Jsonb(list(assertions)),
            "is_everywhere": not locations,
            "kind": kind,
        },
    ).fetchone()
    assert row is not None  # noqa: S101 - INSERT ... RETURNING
    monitor_id: int = row["id"]
    with connection.cursor() as cursor:
        cursor.executemany(
            statements["add_monitor_location"],
            [{"monitor_id": monitor_id, "location": name} for name in locations or known],
        )
    return monitor_id


@monitor.command("list")
@json_option
@on_database
def list_(as_json: bool, url: str) -> None:
    """List monitors."""
    with db.session(url) as connection:
        rows = connection.execute(db.queries("operator")["monitors"]).fetchall()
    show(rows, ["id", "name", "url", "interval_s", "locations", "account"], as_json=as_json)


@monitor.command("show")
@click.argument("monitor_id", metavar="ID", type=int)
@json_option
@on_database
def show_(monitor_id: int, as_json: bool, url: str) -> None:
    """Show everything about one monitor."""
    with db.session(url) as connection:
        row = connection.execute(db.queries("operator")["monitor"], {"id": monitor_id}).fetchone()
    if row is None:
        raise CollectorError(f"There is no monitor {monitor_id}. See: vantage monitor list")
    click.echo(definition.as_json(row) if as_json else definition.as_text(row))


@monitor.command("remove")
@click.argument("monitor_id", type=int)
@on_database
def remove(monitor_id: int, url: str) -> None:
    """Stop watching; the results stay."""
    with db.session(url) as connection:
        row = connection.execute(
            db.queries("operator")["remove_monitor"], {"id": monitor_id}
        ).fetchone()
    if row is None:
        raise CollectorError(f"There is no monitor {monitor_id}. See: vantage monitor list")
    click.echo(f"No longer watching {row['url']}.")
