"""The account's people, and what they sign in with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Entered:
    """The account of whom something is looked up for."""

    account_id: int
    account: str


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """What a password is verified against. None: there is no password."""

    password_hash: str | None


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person chose."""

    wants_product_mail: bool


@dataclass(frozen=True, slots=True)
class Member:
    """One of the account's people."""

    id: int
    name: str
    email: str
    role: str
    is_operator: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Invitation:
    """Who was asked to join."""

    id: int
    email: str
    role: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """Where somebody is signed in. ``browser`` None: not known. ``last_used_at`` None: not since
    it began."""

    id: int
    kind: str
    browser: str | None
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What a program signs in with. ``expires_at`` None: never; ``last_used_at`` None: never."""

    id: int
    name: str
    hint: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    made_by: str


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What somebody did. ``detail`` None: nothing to add."""

    id: int
    at: datetime
    actor: str
    action: str
    detail: str | None
