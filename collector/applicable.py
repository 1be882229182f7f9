"""What can be asked of a URL's scheme, and expected of what it brings. Pure.

Agents draw the same lines for a single probe; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields

from collector.assertion import Assertion
from collector.errors import CollectorError
from collector.request import Request
from collector.url import GREETING, HTTP, TLS, WEBSOCKET

_HEADERS = ("header_present", "header_equals", "header_matches")
_BODY = ("body_contains", "body_matches")
_HTTP_ONLY = ("status", "json_equals", "size", "url", "http_version")
# What collector.terms and collector.secret hold.
_TERMS = (
    "secret_headers",
    "client_certificate",
    "client_key",
    "authority",
    "proxy",
    "phase_timeouts",
)


def phases_of(scheme: str) -> tuple[str, ...]:
    """Return the phases that an exchange can have, in their order."""
    tls = ("tls",) if scheme in TLS else ()
    if scheme in (*HTTP, *WEBSOCKET):
        return ("dns", "connect", *tls, "send", "wait", "receive")
    if scheme in GREETING:
        send = ("send",) if scheme.startswith("mqtt") else ()
        return ("dns", "connect", *tls, *send, "wait", "receive")
    return ("dns", "wait") if scheme in ("dns", "icmp") else ("dns", "connect", *tls)


def kinds_of(scheme: str) -> tuple[str, ...]:
    """Return the kinds of assertion that make sense."""
    # A redirect may lead from http to https.
    certificate = ("cert_days",) if scheme in TLS or scheme in HTTP else ()
    always = ("limit", "network")
    if scheme in HTTP:
        return (*_HTTP_ONLY, *_HEADERS, *_BODY, *certificate, *always)
    if scheme in WEBSOCKET:
        return (*_HEADERS, *certificate, *always)
    if scheme in GREETING or scheme == "dns":
        return (*_BODY, *certificate, *always)
    return (*certificate, *always, "loss") if scheme == "icmp" else (*certificate, *always)


def settings_of(scheme: str) -> tuple[str, ...]:
    """Return the fields of a request, its terms and its secrets that are of use."""
    if scheme in HTTP:
        # A redirect may lead from http to https.
        return (*(field.name for field in fields(Request)), *_TERMS)
    tls = ("is_insecure", "authority", "client_certificate", "client_key") if scheme in TLS else ()
    upgrade = ("headers", "secret_headers", "phase_timeouts") if scheme in WEBSOCKET else ()
    return ("ip_version", *upgrade, *tls)


def check_applicable(url: str, request: Request, assertions: Iterable[Assertion]) -> None:
    """Raise CollectorError for a setting or an assertion without meaning for the URL's scheme."""
    scheme = url.partition(":")[0].lower()
    plain = Request()
    for field in fields(Request):
        name = field.name
        if getattr(request, name) != getattr(plain, name) and name not in settings_of(scheme):
            raise CollectorError(f"{scheme} has no use for the request's {name}; leave it out.")
    if request.http_version == "3" and scheme != "https":
        raise CollectorError("HTTP/3 is spoken over TLS only; write https://.")
    redirect = ("redirect",) if scheme in HTTP else ()
    limits = ("total", *redirect, *phases_of(scheme))
    for assertion in assertions:
        if assertion["kind"] not in kinds_of(scheme):
            raise CollectorError(
                f"An assertion of kind {assertion['kind']} makes no sense for {scheme}; these do: "
                f"{', '.join(kinds_of(scheme))}."
            )
        if assertion["kind"] == "limit" and assertion["name"] not in limits:
            raise CollectorError(
                f"{scheme} has no phase {assertion['name']!r} that could be limited; it has "
                f"{', '.join(limits)}."
            )
