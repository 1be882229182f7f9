"""What Prometheus is told, as statements give it back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Measured:
    """A monitor at a location, and its newest result; None: there is none, or no such phase."""

    monitor_id: int
    name: str
    url: str
    location: str
    state: str
    slot_at: datetime | None
    total_us: int | None
    cert_expires_at: datetime | None
    dns_us: int | None
    connect_us: int | None
    tls_us: int | None
    send_us: int | None
    wait_us: int | None
    receive_us: int | None
    resources_us: int | None


@dataclass(frozen=True, slots=True)
class Judged:
    """What is agreed of a monitor over its locations."""

    monitor_id: int
    name: str
    url: str
    state: str


@dataclass(frozen=True, slots=True)
class Queued:
    """Mail of all accounts that is to be sent. ``oldest_at`` None: there is none."""

    waiting: int
    oldest_at: datetime | None
