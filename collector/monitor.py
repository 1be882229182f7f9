"""What a monitor is: one definition for the command line, for files and for vantage.monitors.

Its secrets are no part of it: collector.secret holds and seals them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from psycopg.types.json import Jsonb

from collector import db
from collector.assertion import Assertion, check_assertions
from collector.errors import CollectorError, as_own
from collector.request import Request, check_request
from collector.secret import Secrets
from collector.terms import Terms, check_terms
from vantage.scheme import check_applicable
from vantage.url import target_of

NAME_MAX = 200
TAG = re.compile(r"[^\W_][\w ._:/-]{0,39}")
TAGS_MAX = 20


@dataclass(frozen=True, slots=True)
class Monitor:
    """``name`` empty: the URL without its scheme. ``locations`` None: all, also those to come.

    ``slow_s`` None: no limit. ``kind``: request or page.
    """

    url: str
    name: str = ""
    kind: str = "request"
    is_paused: bool = False
    tags: tuple[str, ...] = ()
    locations: tuple[str, ...] | None = None
    interval_s: float = 60
    timeout_s: float = 10
    slow_s: float | None = None
    max_redirects: int = 10
    request: Request = field(default_factory=Request)
    terms: Terms = field(default_factory=Terms)
    assertions: tuple[Assertion, ...] = ()


def check_monitor(monitor: Monitor, secrets: Secrets) -> None:
    """Raise CollectorError, saying why, for what no agent could run. Pure."""
    request, terms = monitor.request, monitor.terms
    check_url(monitor.url)
    check_request(request)
    timeout_us = round(monitor.timeout_s * 1_000_000)
    check_terms(terms, secrets, monitor.url, request, timeout_us=timeout_us)
    check_assertions(monitor.assertions)
    judged = [(str(each["kind"]), str(each.get("name", ""))) for each in monitor.assertions]
    with as_own():
        check_applicable(urlsplit(monitor.url).scheme, request, judged)
    if monitor.kind == "page":
        check_page(monitor)
    if len(monitor.name) > NAME_MAX or not monitor.name.isprintable():
        raise CollectorError(
            f"The name is {monitor.name[:80]!r}: one line of up to {NAME_MAX} characters can be.",
            field="name",
        )
    interval_s, timeout_s, slow_s = monitor.interval_s, monitor.timeout_s, monitor.slow_s
    if interval_s != int(interval_s) or not 1 <= interval_s <= 86400:
        raise CollectorError(
            f"The interval is {interval_s:g} s: 1 s to 24 h in whole seconds.", field="interval"
        )
    if not 0.1 <= timeout_s <= 60:
        raise CollectorError(
            f"The timeout is {timeout_s:g} s: 0.1 s to 60 s can be.", field="timeout"
        )
    if slow_s is not None and not 0 < slow_s <= timeout_s:
        raise CollectorError(
            f"The limit for slowness is {slow_s:g} s: more than 0 and at most the timeout "
            f"({timeout_s:g} s) can be.",
            field="slow",
        )
    if not 0 <= monitor.max_redirects <= 50:
        raise CollectorError(
            f"{monitor.max_redirects} redirects; 0 to 50 can be followed.", field="max_redirects"
        )


def check_url(url: str) -> None:
    """Raise CollectorError, saying why, for a URL that no agent could probe."""
    with as_own():
        target_of(url)


def tags_of(words: Iterable[str]) -> tuple[str, ...]:
    """Return tags as the database has them: in lower case and order, none twice.

    Raises: CollectorError.
    """
    tags = sorted({word.strip().lower() for word in words})
    for tag in tags:
        if not TAG.fullmatch(tag):
            raise CollectorError(
                f"{tag[:80]!r} is no tag: up to 40 letters, digits, spaces and . _ : / - can be.",
                field="tags",
            )
    if len(tags) > TAGS_MAX:
        raise CollectorError(f"{len(tags)} tags; the limit is {TAGS_MAX}.", field="tags")
    return tuple(tags)


def check_page(monitor: Monitor) -> None:
    """Check what a whole page cannot have."""
    is_got = monitor.request.method == "GET" and monitor.request.body is None
    if not (is_got and re.match("https?://", monitor.url)):
        raise CollectorError(
            "A page is an http or https URL, fetched with GET and without a body; leave out"
            " --page.",
            field="page",
        )
    if monitor.request.is_paired or monitor.terms.phase_timeouts:
        raise CollectorError(
            "A page has one family and no timeouts of phases; leave out --page.", field="page"
        )


def name_of(url: str) -> str:
    """Return what a monitor is called unless it is given a name."""
    return re.sub(r"^\w+://|/$", "", url)


def insert_monitor(connection: db.Connection, account_id: int, monitor: Monitor) -> int:
    """Insert a monitor that was checked; return its id.

    Raises: CollectorError for a location that there is not.
    """
    check_locations(connection, monitor)
    row = connection.execute(
        db.queries("monitor")["insert"], {"account_id": account_id, **columns(monitor)}
    ).fetchone()
    assert row is not None  # noqa: S101 - INSERT ... RETURNING
    monitor_id: int = row["id"]
    place(connection, monitor_id, monitor)
    if monitor.is_paused:
        # Its history takes no definition that ends when it begins.
        update_monitor(connection, monitor_id, monitor)
    return monitor_id


def update_monitor(connection: db.Connection, monitor_id: int, monitor: Monitor) -> None:
    """Define a monitor anew, as one that was checked. Where it leads elsewhere, its secrets go.

    Raises: CollectorError for a location that there is not.
    """
    check_locations(connection, monitor)
    connection.execute(db.queries("monitor")["update"], {"id": monitor_id, **columns(monitor)})
    place(connection, monitor_id, monitor)


def check_locations(connection: db.Connection, monitor: Monitor) -> None:
    """Raise CollectorError for a location that there is not, naming those that there are."""
    if monitor.locations is None:
        return
    rows = connection.execute(db.queries("operator")["locations"])
    known = [row["name"] for row in rows]
    for location in monitor.locations:
        if location not in known:
            raise CollectorError(
                f"There is no location {location!r}. Locations: {', '.join(known) or 'none yet'}.",
                field="locations",
            )


def place(connection: db.Connection, monitor_id: int, monitor: Monitor) -> None:
    """Have it probed from its locations."""
    locations = None if monitor.locations is None else list(monitor.locations)
    connection.execute(db.queries("monitor")["place"], {"id": monitor_id, "locations": locations})


def columns(monitor: Monitor) -> dict[str, Any]:
    """Return the columns of vantage.monitors."""
    request, terms = monitor.request, monitor.terms
    return {
        "name": monitor.name or name_of(monitor.url),
        "url": monitor.url,
        "kind": monitor.kind,
        "is_paused": monitor.is_paused,
        "tags": list(monitor.tags),
        "is_everywhere": monitor.locations is None,
        "interval_s": int(monitor.interval_s),
        "timeout_us": round(monitor.timeout_s * 1_000_000),
        "slow_us": None if monitor.slow_s is None else round(monitor.slow_s * 1_000_000),
        "max_redirects": monitor.max_redirects,
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
        "assertions": Jsonb(list(monitor.assertions)),
    }


def monitor_of(row: Mapping[str, Any]) -> Monitor:
    """Return the monitor in a row of the query ``monitor`` of sql/queries/operator.sql."""
    slow_us, body = row["slow_us"], row["body"]
    return Monitor(
        url=row["url"],
        name=row["name"],
        kind=row["kind"],
        # What rests for the licence's sake was not asked to rest.
        is_paused=row["paused_at"] is not None and not row["is_paused_by_licence"],
        tags=tuple(row["tags"]),
        locations=None if row["is_everywhere"] else tuple(row["locations"]),
        interval_s=row["interval_s"],
        timeout_s=row["timeout_us"] / 1_000_000,
        slow_s=None if slow_us is None else slow_us / 1_000_000,
        max_redirects=row["max_redirects"],
        request=Request(
            method=row["method"],
            headers=tuple((each["name"], each["value"]) for each in row["headers"]),
            body=None if body is None else bytes(body),
            ip_version=row["ip_version"],
            is_paired=row["is_paired"],
            http_version=row["http_version"],
            is_insecure=row["is_insecure"],
            is_uncompressed=row["is_uncompressed"],
        ),
        terms=Terms(
            client_certificate=row["client_certificate"],
            authority=row["authority"],
            proxy=row["proxy"],
            connect_to=row["connect_to"],
            name_server=row["name_server"],
            phase_timeouts=row["phase_timeouts"],
        ),
        assertions=tuple(row["assertions"]),
    )
