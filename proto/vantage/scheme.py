"""What can be watched: the schemes of URLs, and what can be asked and expected of each. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import Field, fields
from typing import Any, ClassVar, Protocol

HTTP = ("http", "https")
WEBSOCKET = ("ws", "wss")
# Whose servers speak first, or answer a first message, and are asked for no more than that.
GREETING = {
    "smtp": 25,
    "smtps": 465,
    "imap": 143,
    "imaps": 993,
    "pop3": 110,
    "pop3s": 995,
    "ftp": 21,
    "ftps": 990,
    "ssh": 22,
    "sftp": 22,
    "mqtt": 1883,
    "mqtts": 8883,
}
TLS = ("https", "wss", "tls", "smtps", "imaps", "pop3s", "ftps", "mqtts")
# The port where a URL names none; NO_PORT: the protocol has none; None: it must be named.
NO_PORT = 0
SCHEMES: dict[str, int | None] = {
    "http": 80,
    "https": 443,
    "ws": 80,
    "wss": 443,
    "tcp": None,
    "tls": None,
    "dns": 53,
    "icmp": NO_PORT,
    **GREETING,
}

_HEADERS = ("header_present", "header_equals", "header_matches")
_BODY = ("body_contains", "body_matches")
_HTTP_ONLY = ("status", "json_equals", "size", "url", "http_version")


class Request(Protocol):
    """How something is asked for: a dataclass whose defaults change nothing."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def http_version(self) -> str | None: ...


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


def has_use(scheme: str, setting: str) -> bool:
    """Tell whether a setting of how a request is made, such as ``client_key``, changes anything."""
    # A redirect may lead from http to https.
    if scheme in HTTP or setting == "ip_version":
        return True
    if scheme in WEBSOCKET and setting in ("headers", "secret_headers", "phase_timeouts"):
        return True
    of_tls = ("is_insecure", "authority", "client_certificate", "client_key")
    return scheme in TLS and setting in of_tls


def check_applicable(scheme: str, request: Request, assertions: Iterable[tuple[str, str]]) -> None:
    """Raise ValueError for a setting or an assertion that has no meaning for a scheme.

    ``assertions``: each one's kind and name, which is empty where the kind has none.
    """
    plain = type(request)()
    for field in fields(request):
        name = field.name
        if getattr(request, name) != getattr(plain, name) and not has_use(scheme, name):
            raise ValueError(f"{scheme} has no use for the request's {name}; leave it out.")
    if request.http_version == "3" and scheme != "https":
        raise ValueError("HTTP/3 is spoken over TLS only; write https://.")
    redirect = ("redirect",) if scheme in HTTP else ()
    limits = ("total", *redirect, *phases_of(scheme))
    for kind, name in assertions:
        if kind not in kinds_of(scheme):
            raise ValueError(
                f"An assertion of kind {kind} makes no sense for {scheme}; these do: "
                f"{', '.join(kinds_of(scheme))}."
            )
        if kind == "limit" and name not in limits:
            raise ValueError(
                f"{scheme} has no phase {name!r} that could be limited; it has {', '.join(limits)}."
            )
