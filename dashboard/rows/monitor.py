"""A monitor as statements give it back, and how it stands at its locations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import msgspec

from dashboard import agreement
from dashboard.words import SEVERITY
from vantage.scheme import HTTP, TLS, WEBSOCKET, phases_of


@dataclass(frozen=True, slots=True)
class Kept:
    """Whether there are results of a span."""

    is_kept: bool


@dataclass(frozen=True, slots=True)
class Monitor:
    """What is watched. ``slow_us`` None: no limit; ``kind``: request or page.

    ``method``: what HTTP asks with; other schemes have none.
    """

    id: int
    name: str
    url: str
    interval_s: int
    timeout_us: int
    slow_us: int | None
    created_at: datetime
    kind: str
    method: str
    tags: list[str]

    @property
    def scheme(self) -> str:
        """The URL's, such as ``https``."""
        return self.url.partition(":")[0].lower()

    @property
    def is_http(self) -> bool:
        """Whether results have an HTTP status: WebSockets have, too."""
        return self.scheme in (*HTTP, *WEBSOCKET)

    @property
    def phases(self) -> frozenset[str]:
        """Those that every result has that comes whole: a redirect, which may lead from http to
        https, brings more."""
        resources = ("resources",) if self.kind == "page" else ()
        return frozenset((*phases_of(self.scheme), *resources))

    @property
    def is_encrypted(self) -> bool:
        """Whether there is a certificate to be seen."""
        return self.scheme in TLS


@dataclass(frozen=True, slots=True)
class Own:
    """The account's monitors."""

    ids: list[int]


class Watched(msgspec.Struct, frozen=True, dict=True):
    """A monitor among many, and at how many of its locations it stands how.

    ``verdict``: what these agree on; None: nobody has judged it yet. ``slower``: from so many it is
    slower than usual.
    """

    id: int
    name: str
    url: str
    tags: list[str]
    is_paused: bool
    up: int
    slow: int
    down: int
    missing: int
    waiting: int
    verdict: str | None
    slower: int

    @cached_property
    def state(self) -> str:
        """What its locations agree on."""
        if self.is_paused:
            return "paused"
        numbers = {"up": self.up, "slow": self.slow, "down": self.down, "missing": self.missing}
        return agreement.state(numbers, self.verdict)

    @property
    def is_partly_up(self) -> bool:
        """Whether it is up, but not from everywhere."""
        return self.state == "up" and bool(self.slow or self.down or self.missing or self.waiting)

    @property
    def rank(self) -> tuple[int, int, int, int]:
        """The worst first; among equals the one that is worse at more locations."""
        return SEVERITY.index(self.state), -self.down, -self.slow, -self.missing


class Standing(msgspec.Struct, frozen=True):
    """How a monitor stands at a location; the newest result's values, None: there is none.

    ``first_slot_at``: of the oldest one; ``failing_since_at`` None: it is not down.
    ``has_trouble``: the location itself has.
    """

    monitor_id: int
    location: str
    title: str
    state: str
    slot_at: datetime | None
    failure: str | None
    http_status: int | None
    first_slot_at: datetime | None
    failing_since_at: datetime | None
    has_trouble: bool


@dataclass(frozen=True, slots=True)
class LocationStanding:
    """A `Standing` of one known monitor, with what its page needs besides."""

    location: str
    title: str
    state: str
    slot_at: datetime | None
    failure: str | None
    http_status: int | None
    total_us: int | None
    cert_expires_at: datetime | None
    failing_since_at: datetime | None
    first_slot_at: datetime | None
    last_seen_at: datetime | None
    latitude: float | None
    longitude: float | None
    has_trouble: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """When a result was asked for. None: it was not, there is no such monitor."""

    requested_at: datetime | None


@dataclass(frozen=True, slots=True)
class Answered:
    """A location that did what was asked for."""

    location: str
    outcome: str
