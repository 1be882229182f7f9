"""Where an account is told, and what it was told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from vantage import failure


@dataclass(frozen=True, slots=True)
class Notifying:
    """Whether anybody tells. ``looked_at``: when it was last decided what is to be told."""

    looked_at: datetime
    is_away: bool


@dataclass(frozen=True, slots=True)
class Channel:
    """Where the account is told. ``remind_s`` None: never again. ``waiting``: not sent yet.

    ``own_subject``, ``own_text`` None: in Vantage's words.
    """

    id: int
    name: str
    kind: str
    hint: str
    least_severity: str
    monitor_ids: list[int] | None
    delay_s: int
    remind_s: int | None
    quiet_from: time | None
    quiet_to: time | None
    time_zone: str
    muted_at: datetime | None
    last_sent_at: datetime | None
    failing_since_at: datetime | None
    last_error: str | None
    waiting: int
    own_subject: str | None
    own_text: str | None

    @property
    def delay(self) -> timedelta:
        """How long an incident lasts before it is told."""
        return timedelta(seconds=self.delay_s)

    @property
    def reminder(self) -> timedelta | None:
        """How often it is told again."""
        return None if self.remind_s is None else timedelta(seconds=self.remind_s)


KINDS = {
    "reminder": "Reminder",
    "worsened": "Now down",
    "acknowledged": "Acknowledged",
    "closed": "Up again",
    "certificate": "Certificate expires",
    "trouble": "Location in trouble",
    "trouble_over": "Location well again",
    "test": "Test",
}


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that was told, or is yet to be."""

    id: int
    channel: str
    kind: str
    content: dict[str, Any]
    created_at: datetime
    due_at: datetime
    sent_at: datetime | None
    given_up_at: datetime | None
    last_error: str | None

    @property
    def words(self) -> str:
        """What it said, in short, as its headline did (collector/telling/wording.py)."""
        facts = self.content
        state = failure.severity(facts.get("severity", "down"), facts.get("cause"))
        again = " again" if facts.get("reopened") else ""
        if self.kind == "opened":
            said = f"{state}{again}"
        elif self.kind == "closed" and facts.get("is_unwatched"):
            said = "No longer watched"
        elif self.kind == "closed" and facts.get("is_first"):
            said = f"Was {state.lower()}{again}"
        else:
            said = KINDS.get(self.kind, self.kind)
        about = facts.get("monitor") or facts.get("title")
        return f"{said}: {about}" if about else said


@dataclass(frozen=True, slots=True)
class Notification:
    """The same as a row to take along. ``about``: a monitor or a location; None: a test."""

    id: int
    channel: str
    kind: str
    about: str | None
    incident_id: int | None
    severity: str | None
    cause: str | None
    summary: str | None
    created_at: datetime
    due_at: datetime
    attempts: int
    sent_at: datetime | None
    given_up_at: datetime | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class Field:
    """What a channel's own words may name."""

    name: str
    says: str
    sample: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What people would read of a sample incident."""

    subject: str
    content: str
