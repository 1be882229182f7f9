"""Mail that is queued in the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Due:
    """One mail to send, claimed. ``time_zone`` None: the person has chosen none."""

    id: int
    lease: UUID
    kind: str
    content: dict[str, Any]
    created_at: datetime
    user_id: int
    email: str
    name: str
    time_zone: str | None


@dataclass(frozen=True, slots=True)
class Mailed:
    """What became of a mail. ``sent_at`` None: it was not sent, yet or for good."""

    id: int
    kind: str
    email: str
    content: dict[str, Any]
    created_at: datetime
    sent_at: datetime | None
    given_up_at: datetime | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class QueuedMail:
    """The same as a row to take along. ``report`` to ``revision`` None: it holds no report, or, of
    a revision, its first one."""

    id: int
    kind: str
    email: str
    report: str | None
    period: str | None
    first_day: str | None
    revision: int | None
    created_at: datetime
    sent_at: datetime | None
    given_up_at: datetime | None
    last_error: str | None
