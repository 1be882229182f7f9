"""Who is visiting, and one transaction that sees only that person's account.

Three ways in: a session whose token is in a cookie; one whose token is in the path, for browsers
that refuse cookies (`path_session`); an API token or a password in the Authorization header.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from dashboard import authorization, path_session
from dashboard.db import Database, Reader, both
from dashboard.errors import Forbidden, NotSignedIn
from dashboard.rows.people import Entered

Seen = TypeVar("Seen")

LIFETIME = timedelta(days=14)
PATH_LIFETIME = timedelta(hours=12)
SECURE_NAME = "__Host-vantage"
LOOPBACK_NAME = "vantage"


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person, or a program in their name.

    ``kind``: how they came in: cookie, path, token or password; ``session_id`` None for the last
    two. ``scopes``: what may be done: read, write, run. ``time_zone`` None: the browser's own.
    """

    user_id: int
    account_id: int
    account: str
    name: str
    email: str
    role: str
    is_operator: bool
    time_zone: str | None
    kind: str
    session_id: int | None
    scopes: list[str]

    @property
    def is_owner(self) -> bool:
        """May they invite people, read the audit log, delete the account?"""
        return self.role == "owner"

    @property
    def is_editor(self) -> bool:
        """May they change monitors and status pages?"""
        return self.role != "viewer"

    def require(self, scope: str) -> None:
        """See that the token allows it. Raises: Forbidden."""
        if scope not in self.scopes:
            raise Forbidden(f"This token lacks the scope {scope}.")

    def require_cookie(self) -> None:
        """See that an address that somebody may have seen is not enough. Raises: Forbidden."""
        if self.kind != "cookie":
            raise Forbidden(
                "You are signed in without a cookie, and whoever sees the page's address is too: "
                "so passwords, addresses, tokens, people and payments cannot be changed. Allow the "
                "one cookie and sign in anew."
            )


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


def cookie_of(request: Request) -> str:
    """The token that came in the cookie; empty: none."""
    name = cookie_name(request)
    return request.cookies.get(name, "") if name else ""


def token_of(request: Request) -> str:
    """The token of the session, from the path or the cookie; empty: none."""
    return path_session.token_of(request.scope) or cookie_of(request)


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

    Raises: NotSignedIn; TooMany; DatabaseAway.
    """
    database: Database = request.app.state.database
    token = token_of(request)
    if not token and "authorization" not in request.headers:
        raise NotSignedIn
    request.state.visited_at = time.time()
    async with database.transaction() as reader:
        if token:
            kind = "path" if path_session.token_of(request.scope) else "cookie"
            visitor = await reader.one(
                Visitor, "visitor_by_session", kind=kind, token_hash=token_hash(token)
            )
        else:
            name, values = await authorization.verified(request, reader)
            visitor = await reader.one(Visitor, name, **values)
        if visitor is None:
            raise NotSignedIn
        request.state.visitor = visitor
        yield visitor, reader


async def who(request: Request) -> Visitor:
    """The visitor alone, for what is looked up for several of them at once.

    Raises: as `visit`.
    """
    async with visit(request) as (visitor, _):
        return visitor


@asynccontextmanager
async def enter(request: Request, visitor: Visitor) -> AsyncIterator[Reader]:
    """Another transaction that sees the visitor's account, for what is made after a `visit`.

    Raises: NotSignedIn where the person is gone meanwhile; DatabaseAway.
    """
    database: Database = request.app.state.database
    async with database.transaction() as reader:
        if not await reader.one(Entered, "enter_again", user_id=visitor.user_id):
            raise NotSignedIn
        yield reader


@asynccontextmanager
async def enter_twice(
    request: Request, visitor: Visitor, look: Callable[[Reader], Coroutine[Any, Any, Seen]]
) -> AsyncIterator[tuple[Seen, Reader, Reader]]:
    """Two transactions to ask at the same time, since most of what either waits for is the
    database's processor, and what the first ``look`` finds while the second is entered.

    Raises: as `enter`, and what ``look`` raises.
    """
    async with enter(request, visitor) as reader, AsyncExitStack() as entered:
        beside = entered.enter_async_context(_beside(request, visitor, reader))
        seen, another = await both(look(reader), beside)
        yield seen, reader, another


@asynccontextmanager
async def _beside(request: Request, visitor: Visitor, reader: Reader) -> AsyncIterator[Reader]:
    """``reader`` itself where others wait for a connection: whoever has one waits for no second
    one, and what both ask is answered by turns."""
    database: Database = request.app.state.database
    if database.is_crowded:
        yield reader
        return
    async with enter(request, visitor) as another:
        yield another
