"""Was a form sent by our own page? Two independent answers, neither of them a cookie."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from urllib.parse import urlsplit

from starlette.requests import Request

from dashboard.errors import Forbidden

SALT_BYTES = 8


def token(secret: bytes, subject: str) -> str:
    """A form's token for ``subject``: the session's token, or the form's name before there is one.

    Salted, so that it differs on every page: compression cannot give it away.
    """
    salt = secrets.token_hex(SALT_BYTES)
    return f"{salt}.{_signature(secret, subject, salt)}"


def require(request: Request, given: str, secret: bytes, subject: str) -> None:
    """See that the request comes from our own page and carries a token for ``subject``.

    Raises: Forbidden.
    """
    if not _is_same_origin(request):
        raise Forbidden("The form was sent from another site.")
    salt, _, signature = given.partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(secret, subject, salt).encode()):
        raise Forbidden("The form was out of date. Go back, reload the page and try again.")


def _is_same_origin(request: Request) -> bool:
    """Fetch metadata where the browser sends it, else Origin; neither: no browser sent it."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def _signature(secret: bytes, subject: str, salt: str) -> str:
    message = f"form\0{salt}\0{subject}".encode()
    return hmac.new(secret, message, hashlib.sha256).hexdigest()
