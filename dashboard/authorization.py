"""The Authorization header: an API token, or an e-mail address with its password, for programs."""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from dashboard.attempts import Attempts, address_of
from dashboard.db import Reader
from dashboard.errors import NotSignedIn, TooMany
from dashboard.passwords import Passwords

REMEMBERED_S = 60.0
REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """Whose password is to be verified."""

    user_id: int
    password_hash: str


class Verified:
    """Header and stored hash that matched a moment ago: argon2 is too slow for every request."""

    def __init__(self) -> None:
        self._until: dict[bytes, float] = {}

    def knows(self, key: bytes, now: float) -> bool:
        """Did it match within the last minute?"""
        return self._until.get(key, 0.0) > now

    def remember(self, key: bytes, now: float) -> None:
        """It matched."""
        if len(self._until) >= REMEMBERED:
            self._until = {key: until for key, until in self._until.items() if until > now}
        if len(self._until) < REMEMBERED:
            self._until[key] = now + REMEMBERED_S


async def verified(request: Request, reader: Reader) -> tuple[str, dict[str, Any]]:
    """The statement that finds the visitor, and its values.

    Raises: NotSignedIn for what is neither a token nor a right password; TooMany.
    """
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        digest = hashlib.sha256(given.strip().encode()).digest()
        return "visitor_by_token", {"token_hash": digest}
    if scheme.lower() != "basic":
        raise NotSignedIn
    try:
        email, colon, password = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise NotSignedIn from error
    if not colon:
        raise NotSignedIn
    user_id = await match(request, reader, email, password)
    if user_id is None:
        raise NotSignedIn
    return "visitor_by_password", {"user_id": user_id}


async def match(request: Request, reader: Reader, email: str, password: str) -> int | None:
    """Whose address and password these are. None: nobody's; it takes no less time.

    Raises: TooMany where this was tried too often from there.
    """
    attempts: Attempts = request.app.state.attempts
    strangers: Attempts = request.app.state.strangers
    passwords: Passwords = request.app.state.passwords
    seen: Verified = request.app.state.verified
    now = time.monotonic()
    address = address_of(request)
    key = f"{address} {email.lower()}"
    if wait_s := attempts.wait_s(key, now) or strangers.wait_s(address, now):
        raise TooMany(wait_s)
    candidate = None
    if "\0" not in email:
        candidate = await reader.one(Candidate, "sign_in_candidate", email=email)
    stored = candidate.password_hash if candidate else None
    digest = hashlib.sha256(f"{stored}\0{password}".encode()).digest()
    if candidate and seen.knows(digest, now):
        return candidate.user_id
    if not await passwords.match(password, stored) or candidate is None:
        attempts.failed(key, now)
        strangers.failed(address, now)
        return None
    attempts.succeeded(key)
    seen.remember(digest, now)
    return candidate.user_id
