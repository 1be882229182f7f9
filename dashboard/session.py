"""Who is visiting: the session cookie, and one transaction that sees only that account."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from dashboard.db import Database, Reader
from dashboard.errors import NotSignedIn

LIFETIME = timedelta(days=14)
SECURE_NAME = "__Host-vantage"
LOOPBACK_NAME = "vantage"


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person who signed in."""

    user_id: int
    account_id: int
    name: str
    email: str
    account: str


def new_token() -> str:
    """What the browser holds; the database holds its hash."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """What the database knows a session by."""
    return hashlib.sha256(token.encode()).digest()


def cookie_name(request: Request) -> str | None:
    """The cookie for this connection. None: no cookie would be safe, plain http from afar."""
    if request.url.scheme == "https":
        return SECURE_NAME
    return LOOPBACK_NAME if _is_loopback(request.url.hostname or "") else None


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def token_of(request: Request) -> str:
    """The token that came with the request; empty: none."""
    name = cookie_name(request)
    return request.cookies.get(name, "") if name else ""


def keep(response: Response, request: Request, token: str) -> None:
    """Give the browser its token; an empty one takes it back."""
    name = cookie_name(request)
    if name is None:
        return
    response.set_cookie(
        name,
        token,
        max_age=int(LIFETIME.total_seconds()) if token else 0,
        secure=name == SECURE_NAME,
        httponly=True,
        samesite="lax",
    )


@asynccontextmanager
async def visit(request: Request) -> AsyncIterator[tuple[Visitor, Reader]]:
    """One transaction in which the visitor's account, and nothing else, can be seen.

    Raises: NotSignedIn; DatabaseAway.
    """
    token = token_of(request)
    if not token:
        raise NotSignedIn
    database: Database = request.app.state.database
    async with database.transaction() as reader:
        visitor = await reader.one(Visitor, "visitor", token_hash=token_hash(token))
        if visitor is None:
            raise NotSignedIn
        yield visitor, reader
