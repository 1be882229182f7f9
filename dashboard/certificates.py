"""Which certificates a monitor's targets showed, and which one a result saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dashboard import words
from dashboard.db import Reader
from dashboard.rows.certificate import Certificate
from dashboard.rows.monitor import LocationStanding
from dashboard.rows.result import ResultRow

MOST = 8
SOON = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Expiry:
    """When a certificate ends. ``left``: in words; ``is_same``: wherever it was seen."""

    expires_at: datetime
    left: str
    is_soon: bool
    is_same: bool
    seen_from: int


def first_to_expire(standings: Sequence[LocationStanding], now: datetime) -> Expiry | None:
    """The certificate that ends first. None: no location has seen any."""
    ends = [standing.cert_expires_at for standing in standings if standing.cert_expires_at]
    if not ends:
        return None
    return Expiry(
        expires_at=min(ends),
        left=words.days_left(min(ends), now),
        is_soon=min(ends) - now < SOON,
        is_same=len(set(ends)) == 1,
        seen_from=len(ends),
    )


def asked(
    monitor_id: int,
    *,
    location: str | None = None,
    not_after: datetime | None = None,
    told_by: datetime | None = None,
    count: int = MOST,
) -> dict[str, Any]:
    """What the statement ``certificates`` asks. None: any location, any end, any time."""
    return {
        "monitor_id": monitor_id,
        "location": location,
        "not_after": not_after,
        "told_by": told_by,
        "count": count,
    }


async def shown(reader: Reader, monitor_id: int) -> list[Certificate]:
    """The latest ones, what is in use first."""
    return await reader.all(Certificate, "certificates", **asked(monitor_id))


async def seen_by(reader: Reader, monitor_id: int, found: ResultRow) -> Certificate | None:
    """The certificate that a result saw. None: none, or the agent has not told of it yet.

    Results keep no more of a certificate than its end, so the newest that had been told of by
    then, and ends at the same instant, is the one.
    """
    if found.cert_expires_at is None:
        return None
    wanted = asked(
        monitor_id,
        location=found.location,
        not_after=found.cert_expires_at,
        told_by=found.started_at,
    )
    candidates = await reader.all(Certificate, "certificates", **wanted)
    return max(candidates, key=lambda candidate: candidate.first_seen_at, default=None)
