"""Locations, and the agents that probe from there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Place:
    """A location. ``last_seen_at`` None: none of its agents ever connected.

    Degrees north and east; None: nobody said where it is.
    """

    name: str
    title: str
    last_seen_at: datetime | None
    latitude: float | None
    longitude: float | None


@dataclass(frozen=True, slots=True)
class Agent:
    """Who probes from a location. Microseconds; None: it never connected."""

    id: str
    location: str
    name: str
    version: str | None
    last_seen_at: datetime | None
    certificate_expires_at: datetime
    backlog: int | None
    clock_offset_us: int | None
    clock_uncertainty_us: int | None
    is_clock_off: bool
    is_online: bool
    missed_slots: int

    @property
    def state(self) -> str:
        """The shape and colour of `word`."""
        if not self.is_online:
            return "missing"
        return "slow" if self.is_clock_off else "up"

    @property
    def word(self) -> str:
        """How it is."""
        return {"missing": "Silent", "slow": "Clock off", "up": "Online"}[self.state]


@dataclass(frozen=True, slots=True)
class Trouble:
    """When a location itself was in trouble. ``kind``: failing or silent; ``ended_at`` None: it is.

    ``detail``: what was seen, in a sentence.
    """

    id: int
    location: str
    kind: str
    began_at: datetime
    ended_at: datetime | None
    detail: str

    @property
    def state(self) -> str:
        """The shape and colour of it."""
        return "up" if self.ended_at else "down"
