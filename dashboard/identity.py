"""Whom an identity provider vouches for, and the attempt to be vouched for.

Apart from the protocol, whose libraries are loaded where a provider is trusted and nowhere else.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass


class ProviderAway(Exception):
    """The provider does not answer, or not as a provider does."""


class NotVouchedFor(Exception):
    """What came back does not prove who somebody is. The message is for the log."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the provider vouches for. ``email`` empty: it vouches for none."""

    issuer: str
    subject: str
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sign-in at the provider, known by its state; the rest follows from it and our key."""

    state: str
    nonce: str
    verifier: str


def attempt(key: bytes, state: str) -> Attempt:
    """What belongs to a state. Nobody but us can know it, and nothing of it need be kept."""

    def derived(what: str) -> str:
        return hmac.new(key, f"{what}\0{state}".encode(), hashlib.sha256).hexdigest()

    return Attempt(state, derived("nonce"), derived("verifier"))
