"""Monitors in configuration files: their fields, and how they reach the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from collector import db
from collector.config import expectation
from collector.config.hidden import Hidden
from collector.config.kind import Document, Present, Scope, placed
from collector.config.shape import (
    STORED,
    Choice,
    Either,
    Field,
    Flag,
    Listing,
    Long,
    Names,
    Read,
    Record,
    Secret,
    Span,
    Stored,
    Text,
    Whole,
)
from collector.errors import CollectorError
from collector.monitor import (
    TAGS_MAX,
    Monitor,
    check_monitor,
    check_url,
    insert_monitor,
    monitor_of,
    name_of,
    tags_of,
    update_monitor,
)
from collector.operator.duration import written
from collector.operator.terms import authorization as authorized
from collector.request import Request, check_header
from collector.secret import CLIENT_KEY, PROXY_PASSWORD, Secrets, stored_secrets
from collector.terms import Terms, name_server_of
from vantage.phase import PHASES
from vantage.request import HEADER_NAME, HTTP_VERSIONS, METHODS

HEADER = Text("a header's name", pattern=HEADER_NAME.pattern)
AUTHORIZATION = "Authorization"
# Secrets that are no headers: what the file calls them, and their names.
SPECIAL = {"client_key": CLIENT_KEY, "proxy_login": PROXY_PASSWORD}


def check_login(text: str) -> None:
    """Check user:password, without telling it."""
    user, colon, _ = text.partition(":")
    if not colon or not user:
        raise CollectorError("what stands there does not read user:password.")


def check_value(text: str) -> None:
    """Check the value of a header."""
    check_header("X-Header", text)


def check_tag(text: str) -> None:
    """Check one tag."""
    tags_of([text])


def check_name_server(text: str) -> None:
    """Check address or address:port."""
    name_server_of(text)


LOCATION = Text("a location's name", pattern="[a-z0-9][a-z0-9-]{0,31}")
FIELDS = (
    Field("url", Text("a URL", check=check_url), "What is watched.", True),
    Field("name", Text(), "As shown to people; its key, unless given.", option="--name"),
    Field("page", Flag(), "Style sheets, scripts, images and fonts are fetched as well.",
          option="--page"),
    Field("paused", Flag(), "It is not probed.", option="--paused"),
    Field("tags", Listing(Text("a tag", check=check_tag), "a list of tags", TAGS_MAX),
          "Words that it is grouped by.", option="--tag"),
    Field("locations", Listing(LOCATION, "a list of locations"),
          "From where; from all, also those to come, unless given.", option="--location"),
    Field("interval", Span(), "Distance between two slots; 60s unless given.",
          option="--interval"),
    Field("timeout", Span(), "Limit on the whole result; 10s unless given.", option="--timeout"),
    Field("slow", Span(), "Slower than this is degraded.", option="--slow"),
    Field("max_redirects", Whole(0, 50), "Redirects followed; 10 unless given.",
          option="--max-redirects"),
    Field("method", Choice(METHODS), "GET, or POST with a body, unless given.", option="--method"),
    Field("headers", Names(Either(Text(check=check_value),
                                  Listing(Text(check=check_value), "a list of values")),
                           "a mapping of headers", HEADER),
          "Headers to send, stored readable.", option="--header"),
    Field("body", Long(), "What to send.", option="--body"),
    Field("ip_version", Choice(("4", "6", "both")), "The only family asked for, or both.",
          option="--ip-version"),
    Field("http_version", Choice(HTTP_VERSIONS), "The only version spoken.",
          option="--http-version"),
    Field("insecure", Flag(), "The server's certificate is not verified.", option="--insecure"),
    Field("no_compression", Flag(), "No compressed body is asked for.", option="--no-compression"),
    Field("authorization", Record("authorization", (
        Field("basic", Secret(check_login), "user:password."),
        Field("bearer", Secret(check_value), "A token."))),
          "Secret: what the server asks for, basic or bearer.", option="--auth-file"),
    Field("secret_headers", Names(Secret(check_value), "a mapping of headers", HEADER),
          "Secret: headers that are never shown.", option="--secret-header"),
    Field("client_certificate", Long(), "PEM, shown when the server asks.",
          option="--client-cert"),
    Field("client_key", Secret(), "Secret: its key, PEM.", option="--client-key"),
    Field("authority", Long(), "PEM of the authorities trusted instead of all others.",
          option="--ca-file"),
    Field("proxy", Text(), "http://, https:// or socks5h://host:port to go through.",
          option="--proxy"),
    Field("proxy_login", Secret(check_login), "Secret: user:password for the proxy.",
          option="--proxy-auth-file"),
    Field("connect_to", Text(), "Address to connect to instead of looking the host up.",
          option="--connect-to"),
    Field("name_server", Text("a name server", check=check_name_server),
          "Address of the name server to ask.", option="--name-server"),
    Field("phase_timeouts", Names(Span(), "a mapping of phases",
                                  Text("a phase", pattern="|".join(PHASES))),
          "How long a phase may take.", option="--phase-timeout"),
    Field("assertions", Listing(expectation.Expectation(), "a list of assertions"),
          "What must be true of the answer (docs/monitors.md)."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """A monitor in a file. ``secrets``: by their names, as `Secrets.names` has them."""

    monitor: Monitor
    secrets: Mapping[str, str | Stored]
    read: Read

    @property
    def names(self) -> set[str]:
        return set(self.secrets)

    @property
    def has_stored(self) -> bool:
        """Whether some secret is to be the one that is stored."""
        return STORED in self.secrets.values()


class Monitors:
    """Belong to an account. What is not in any file is matched by its name."""

    name = "monitors"
    one = "monitor"
    record = Record("monitor", FIELDS)
    is_owned = True

    def read(self, key: str, found: Read) -> Wanted:
        """Make a monitor of a record. Raises: Mistake."""
        wanted = Wanted(monitor(key, found), secrets_in(found), found)
        if not wanted.has_stored:
            resolve(wanted, {})
        return wanted

    def present(self, scope: Scope) -> dict[str, Present]:
        rows = scope.rows("operator", "monitor", id=None)
        return scope.keyed(self.one, rows, [row["name"] for row in rows])

    def document(self, scope: Scope, present: Present) -> Document:
        hidden = dict.fromkeys(present.row["secrets"], Hidden(None))
        return document(present.key, monitor_of(present.row), hidden)

    def create(self, scope: Scope, key: str, wanted: Wanted) -> tuple[int, Document]:
        secrets = resolve(wanted, {})
        with placed(wanted.read):
            monitor_id = insert_monitor(scope.connection, scope.account_id, wanted.monitor)
            if secrets:
                scope.store(monitor_id, Secrets.of(secrets))
        return monitor_id, document(key, wanted.monitor, hidden(secrets))

    def update(
        self, scope: Scope, present: Present, wanted: Wanted
    ) -> tuple[int, Document, Document]:
        names = set(present.row["secrets"])
        before = self.document(scope, present)
        if wanted.names == names and all(each is STORED for each in wanted.secrets.values()):
            after = document(present.key, wanted.monitor, dict.fromkeys(names, Hidden(None)))
            if before == after:
                return present.id, before, after
        stored = {}
        if names:
            stored = stored_secrets(scope.connection, present.id, scope.keyring).by_name
        secrets = resolve(wanted, stored)
        before = document(present.key, monitor_of(present.row), hidden(stored))
        after = document(present.key, wanted.monitor, hidden(secrets))
        if before != after:
            with placed(wanted.read):
                update_monitor(scope.connection, present.id, wanted.monitor)
            [row] = scope.rows("operator", "monitor", id=present.id)
            if set(row["secrets"]) != names and wanted.has_stored:
                raise wanted.read.part.mistake(
                    "it would lead elsewhere, where its stored secrets must not go; say with env or"
                    " file what they are."
                )
            if secrets != stored or set(row["secrets"]) != names:
                scope.store(present.id, Secrets.of(secrets))
        return present.id, before, after

    def remove(self, scope: Scope, present: Present) -> None:
        scope.connection.execute(db.queries("operator")["remove_monitor"], {"id": present.id})


def monitor(key: str, found: Read) -> Monitor:
    """Make a monitor of what a file says. Raises: Mistake."""
    values = found.values
    usual = Monitor(url="")
    body = values.get("body")
    ip_version = values.get("ip_version")
    locations = values.get("locations")
    headers = [
        (name, value)
        for name, given in values.get("headers", {}).items()
        for value in (given if isinstance(given, list) else [given])
    ]
    name_server = values.get("name_server")
    timeouts = values.get("phase_timeouts", {})
    return Monitor(
        url=values["url"],
        name=values.get("name", key),
        kind="page" if values.get("page") else "request",
        is_paused=values.get("paused", False),
        tags=tags_of(values.get("tags", ())),
        locations=None if locations is None else tuple(sorted(set(locations))),
        interval_s=values.get("interval", usual.interval_s),
        timeout_s=values.get("timeout", usual.timeout_s),
        slow_s=values.get("slow"),
        max_redirects=values.get("max_redirects", usual.max_redirects),
        request=Request(
            method=values.get("method", "GET" if body is None else "POST"),
            headers=tuple(headers),
            body=None if body is None else body.encode(),
            ip_version=int(ip_version) if ip_version in ("4", "6") else None,
            is_paired=ip_version == "both",
            http_version=values.get("http_version"),
            is_insecure=values.get("insecure", False),
            is_uncompressed=values.get("no_compression", False),
        ),
        terms=Terms(
            client_certificate=values.get("client_certificate"),
            authority=values.get("authority"),
            proxy=values.get("proxy"),
            connect_to=values.get("connect_to"),
            name_server=None if name_server is None else name_server_of(name_server),
            phase_timeouts={name: round(each * 1_000_000) for name, each in timeouts.items()},
        ),
        assertions=tuple(values.get("assertions", ())),
    )


def document(key: str, monitor: Monitor, secrets: Mapping[str, Hidden]) -> Document:
    """Write a monitor as a file has it, without what is as usual."""
    request, terms = monitor.request, monitor.terms
    body = None if request.body is None else request.body.decode("utf-8", "backslashreplace")
    headers: dict[str, Any] = {}
    for name, value in request.headers:
        before = headers.get(name)
        several = before if isinstance(before, list) else [before]
        headers[name] = value if before is None else [*several, value]
    special = SPECIAL.values()
    secret_headers = {name: each for name, each in secrets.items() if name not in special}
    ip_version = "both" if request.is_paired else str(request.ip_version or "")
    everything: dict[str, tuple[Any, Any]] = {
        "url": (monitor.url, None),
        "name": (monitor.name or key, key),
        "page": (monitor.kind == "page", False),
        "paused": (monitor.is_paused, False),
        "tags": (sorted(monitor.tags), []),
        "locations": (None if monitor.locations is None else sorted(monitor.locations), None),
        "interval": (written(monitor.interval_s), None),
        "timeout": (written(monitor.timeout_s), "10s"),
        "slow": (None if monitor.slow_s is None else written(monitor.slow_s), None),
        "max_redirects": (monitor.max_redirects, 10),
        "method": (request.method, "GET" if body is None else "POST"),
        "headers": (headers, {}),
        "body": (body, None),
        "ip_version": (ip_version, ""),
        "http_version": (request.http_version, None),
        "insecure": (request.is_insecure, False),
        "no_compression": (request.is_uncompressed, False),
        "secret_headers": (secret_headers, {}),
        "client_certificate": (terms.client_certificate, None),
        "client_key": (secrets.get(SPECIAL["client_key"]), None),
        "authority": (terms.authority, None),
        "proxy": (terms.proxy, None),
        "proxy_login": (secrets.get(SPECIAL["proxy_login"]), None),
        "connect_to": (terms.connect_to, None),
        "name_server": (terms.name_server, None),
        "phase_timeouts": (
            {name: written(us / 1_000_000) for name, us in terms.phase_timeouts.items()}, {}),
        "assertions": ([expectation.document(each) for each in monitor.assertions], []),
    }  # fmt: skip
    return {name: value for name, (value, usual) in everything.items() if value != usual}


def document_of(monitor: Monitor, secrets: Secrets) -> Document:
    """Write a monitor that no file names."""
    return document(name_of(monitor.url), monitor, hidden(secrets.by_name))


def secrets_in(found: Read) -> dict[str, str | Stored]:
    """Return the secrets that a file names, by their names."""
    values = found.values
    secrets: dict[str, str | Stored] = dict(values.get("secret_headers", {}))
    authorization: Read | None = values.get("authorization")
    for kind, secret in authorization.values.items() if authorization else ():
        secrets |= {AUTHORIZATION: STORED} if secret is STORED else dict(authorized(kind, secret))
    return secrets | {name: values[field] for field, name in SPECIAL.items() if field in values}


def resolve(wanted: Wanted, stored: Mapping[str, str]) -> dict[str, str]:
    """Return what every secret is, and check the whole. Raises: Mistake."""
    secrets: dict[str, str] = {}
    for name, secret in wanted.secrets.items():
        if not isinstance(secret, Stored):
            secrets[name] = secret
        elif name in stored:
            secrets[name] = stored[name]
        else:
            raise wanted.read.part.mistake(
                f"no secret {name} is stored yet; say with env or file what it is."
            )
    with placed(wanted.read):
        check_monitor(wanted.monitor, Secrets.of(secrets))
    return secrets


def hidden(secrets: Mapping[str, str]) -> dict[str, Hidden]:
    """Return secrets so that they can be compared, not seen."""
    return {name: Hidden(secret) for name, secret in secrets.items()}
