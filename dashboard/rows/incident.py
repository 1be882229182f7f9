"""Verdicts, incidents and rules as statements give them back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a monitor stands over all its locations, by which rule.

    ``failing_since_at`` None: no location fails. ``incident_id`` None: no incident is open.
    """

    state: str
    voting: int
    needed: int
    failing: list[str]
    slower: list[str]
    failing_since_at: datetime | None
    consecutive: int
    distinct_by: str
    incident_id: int | None
    began_at: datetime | None
    assigned: int | None


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident; ``assigned``: how many locations probed its monitor.

    ``failing_since_at``: later than it began where it was well for a while; None: nobody said so.
    """

    id: int
    monitor_id: int
    monitor: str
    severity: str
    state: str
    began_at: datetime
    failing_since_at: datetime | None
    opened_at: datetime
    recovered_at: datetime | None
    closed_at: datetime | None
    reopened: int
    cause: str
    summary: str
    silenced_by: int | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    post_mortem: str | None
    locations: list[str]
    assigned: int

    @property
    def look(self) -> str:
        """The shape and colour that it is shown with."""
        if self.state == "open":
            return "slow" if self.severity == "degraded" else "down"
        return "slow" if self.state == "recovering" else "up"


@dataclass(frozen=True, slots=True)
class Outage:
    """When a monitor was down. ``recovered_at`` None: it is."""

    monitor_id: int
    began_at: datetime
    recovered_at: datetime | None

    def touches(self, from_at: datetime, to_at: datetime) -> bool:
        """Whether some of it lies in this span of time."""
        return self.began_at < to_at and (self.recovered_at is None or self.recovered_at >= from_at)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a location said in an incident. ``which``: first, last, or well again."""

    location: str
    title: str
    which: str
    slot_at: datetime
    total_us: int
    http_status: int | None
    failure: str | None
    failed_phase: str | None
    target_ip: IPv4Address | IPv6Address | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an incident. ``author`` None: Vantage itself.

    ``failing_since_at``: since when what ``detail`` says is so.
    """

    at: datetime
    kind: str
    author: str | None
    detail: str | None
    failing_since_at: datetime | None


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule in force for a monitor, or for the account. ``source``: whose it is.

    ``slower_factor`` None: no incident opens for what is only slower than usual.
    """

    monitor_id: int | None
    source: str
    needed_locations: int | None
    needed_percent: int | None
    consecutive: int
    distinct_by: str
    closes_after_s: int
    opens_when_degraded: bool
    slower_factor: Decimal | None
    slower_phase: str
    slower_for_s: int
    slower_locations: int
