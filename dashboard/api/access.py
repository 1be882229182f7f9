"""Who may use the API, and how often."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request
from fastapi.security import HTTPBasic, HTTPBearer
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from dashboard.db import Reader
from dashboard.errors import Forbidden, TooMany
from dashboard.session import Visitor, visit

PER_MINUTE = 600
LIMIT = RateLimitItemPerMinute(PER_MINUTE)
LIMITER = MovingWindowRateLimiter(MemoryStorage())

# For the description only: `visit` reads the header itself.
BEARER = HTTPBearer(auto_error=False, description="An API token")
BASIC = HTTPBasic(auto_error=False, description="E-mail address and password")


@asynccontextmanager
async def using(request: Request, scope: str) -> AsyncIterator[Reader]:
    """`acting`, where it does not matter as whom."""
    async with acting(request, scope) as (_, reader):
        yield reader


@asynccontextmanager
async def acting(request: Request, scope: str) -> AsyncIterator[tuple[Visitor, Reader]]:
    """One transaction as the token's person. Committed when it ends, before the answer is sent.

    Raises: NotSignedIn; Forbidden where the scope is missing, or a browser's session would change
    something: another site may have sent that; TooMany.
    """
    async with visit(request) as (visitor, reader):
        if scope != "read" and visitor.kind not in ("token", "password"):
            raise Forbidden("A session reads only. Change things with an API token.")
        visitor.require(scope)
        count(visitor.user_id)
        yield visitor, reader


def count(user_id: int) -> None:
    """Count one of a person's requests. Raises: TooMany."""
    key = str(user_id)
    if not LIMITER.hit(LIMIT, key):
        raise TooMany(max(1.0, LIMITER.get_window_stats(LIMIT, key).reset_time - time.time()))
