"""What a monitor asks of a server: the request's columns of vantage.monitors. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from collector.errors import CollectorError, as_own
from vantage import request as rules
from vantage.request import BODY_BYTES_MAX, METHODS

HEADERS_MAX = 50
HEADER_MAX = 4096


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
    if not 1 <= len(body) <= BODY_BYTES_MAX:
        raise CollectorError(f"The body has {len(body)} bytes: 1 to {BODY_BYTES_MAX} can be.")


def check_header(name: str, value: str) -> None:
    """Check one header."""
    with as_own():
        rules.check_header(name, value)
    if len(value) > HEADER_MAX:
        raise CollectorError(
            f"The header {name} has {len(value)} characters; the limit is {HEADER_MAX}."
        )
