"""Passwords: verifying takes as long, and says as little, whether or not the address is known."""

from __future__ import annotations

import secrets

from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from dashboard.errors import Unacceptable

# The cost that every stored hash has, so that a stranger's address takes no less time.
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
AT_ONCE = 2
SHORTEST = 8
LONGEST = 1024
# The 30,000 that people choose most, as leaks have shown; and what they would think of here.
COMMON = frozenset(FREQUENCY_LISTS["passwords"])
OURS = ("vantage", "report", "monitor", "dashboard")


def check(password: str, *known: str) -> None:
    """See that a new password can be one. ``known``: what everybody may know of the person.

    Raises: Unacceptable.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise Unacceptable(f"A password has {SHORTEST} to {LONGEST:,} characters.")
    parts = {part.lower() for text in known for part in (text, text.partition("@")[0])}
    folded = password.lower()
    if folded in parts | COMMON or len(set(password)) < 4:
        raise Unacceptable("This password is too easy to guess.")
    # A name and a few digits is what is tried first.
    if folded.strip("0123456789!?.-_ ") in {*parts, *OURS}:
        raise Unacceptable("This password is too easy to guess.")


class Passwords:
    """Verifies in a few threads, so that neither the event loop nor the memory is overrun."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(AT_ONCE)
        self._nobodys = HASHER.hash(secrets.token_hex())

    async def hash(self, password: str) -> str:
        """Return what is stored of a password, a PHC string."""
        return await to_thread.run_sync(HASHER.hash, password, limiter=self._limiter)

    async def match(self, password: str, stored: str | None) -> bool:
        """Is it the password of ``stored``, a PHC string? None: nobody's, and never."""
        right = await to_thread.run_sync(
            _verify, stored or self._nobodys, password, limiter=self._limiter
        )
        return right and stored is not None


def _verify(stored: str, password: str) -> bool:
    try:
        return HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
