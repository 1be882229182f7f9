"""What an account may have."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan and how much of it is used. A limit of None: there is none."""

    title: str
    max_monitors: int | None
    min_interval_s: int | None
    max_locations: int | None
    max_members: int | None
    licence: str
    licence_ends_at: datetime | None
    monitors: int
    members: int
    grace_ends_at: datetime | None
    results_days: int | None


@dataclass(frozen=True, slots=True)
class Offer:
    """A plan that can be bought. A limit of None: there is none."""

    name: str
    title: str
    max_monitors: int | None
    min_interval_s: int | None
    max_locations: int | None
    max_members: int | None
    stripe_price: str
    results_days: int | None


@dataclass(frozen=True, slots=True)
class Paying:
    """How an account pays, as Stripe says it."""

    customer_id: str
    status: str
    is_renewing: bool

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to change about it."""
        return self.status in ("canceled", "incomplete_expired")
