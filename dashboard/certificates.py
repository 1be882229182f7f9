"""Which certificates a monitor's targets showed, and which one a result saw."""

from __future__ import annotations

from datetime import datetime

from dashboard.db import Reader
from dashboard.rows.certificate import Certificate
from dashboard.rows.result import ResultRow

MOST = 8


async def shown(
    reader: Reader,
    monitor_id: int,
    *,
    location: str | None = None,
    not_after: datetime | None = None,
    told_by: datetime | None = None,
) -> list[Certificate]:
    """The latest ones, what is in use first. None: from any location, of any end, at any time."""
    return await reader.all(
        Certificate,
        "certificates",
        monitor_id=monitor_id,
        location=location,
        not_after=not_after,
        told_by=told_by,
        count=MOST,
    )


async def seen_by(reader: Reader, monitor_id: int, found: ResultRow) -> Certificate | None:
    """The certificate that a result saw. None: none, or the agent has not told of it yet.

    Results keep no more of a certificate than its end, so the newest that had been told of by
    then, and ends at the same instant, is the one.
    """
    if found.cert_expires_at is None:
        return None
    candidates = await shown(
        reader,
        monitor_id,
        location=found.location,
        not_after=found.cert_expires_at,
        told_by=found.started_at,
    )
    return max(candidates, key=lambda candidate: candidate.first_seen_at, default=None)
