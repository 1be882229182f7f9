"""Verifying passwords: as much work, and the same answer, whether or not the address is known."""

from __future__ import annotations

import secrets

from anyio import CapacityLimiter, to_thread
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# The cost that every stored hash has, so that a stranger's address takes no less time.
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
AT_ONCE = 2


class Passwords:
    """Verifies in a few threads, so that neither the event loop nor the memory is overrun."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(AT_ONCE)
        self._nobodys = HASHER.hash(secrets.token_hex())

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
