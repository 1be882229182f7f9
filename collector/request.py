"""What a monitor asks of a server: the request's columns of vantage.monitors. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from collector.errors import CollectorError

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
BODY_MAX = 64 * 1024
HEADERS_MAX = 50
HEADER_MAX = 4096

NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
UNSENDABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
# They frame the message, which is the agent's business.
FRAMING = {"connection", "content-length", "transfer-encoding", "expect", "upgrade", "te"}


@dataclass(frozen=True, slots=True)
class Request:
    """Everything but the URL. None: no body, any family, whichever HTTP version is agreed on.

    ``is_paired``: over both families at once.
    """

    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    ip_version: int | None = None
    is_paired: bool = False
    http_version: str | None = None
    is_insecure: bool = False
    is_uncompressed: bool = False


def check_request(request: Request) -> None:
    """Raise CollectorError, saying why, for a request that no agent could make."""
    if request.method not in METHODS:
        raise CollectorError(f"The method is {request.method!r}: one of {', '.join(METHODS)}.")
    if request.body is not None:
        check_body(request.method, request.body)
    if len(request.headers) > HEADERS_MAX:
        raise CollectorError(f"{len(request.headers)} headers; the limit is {HEADERS_MAX}.")
    for name, value in request.headers:
        check_header(name, value)


def check_body(method: str, body: bytes) -> None:
    """Check a body that is given."""
    if method == "HEAD":
        raise CollectorError("A HEAD request has no body; choose another --method.")
    if not 1 <= len(body) <= BODY_MAX:
        raise CollectorError(f"The body has {len(body)} bytes: 1 to {BODY_MAX} can be.")


def check_header(name: str, value: str) -> None:
    """Check one header."""
    if not NAME.fullmatch(name):
        raise CollectorError(f"{name!r} is no header name; write 'Name: value'.")
    if name.lower() in FRAMING:
        raise CollectorError(f"The header {name} cannot be set; it follows from the request.")
    if UNSENDABLE.search(value):
        raise CollectorError(f"The value of the header {name} holds what cannot be sent.")
    if len(value) > HEADER_MAX:
        raise CollectorError(
            f"The header {name} has {len(value)} characters; the limit is {HEADER_MAX}."
        )
