"""A report that is mailed by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class ReportSchedule:
    """``day``: of the month, or of the week from Monday. ``monitor_ids`` None: all monitors.

    ``limit_us`` None: no objective of response times. ``recipients``: members' addresses.
    """

    id: int
    name: str
    period: str
    day: int
    at: time
    time_zone: str
    monitor_ids: list[int] | None
    objective: Decimal
    limit_us: int | None
    share: Decimal
    has_revisions: bool
    recipients: list[str]
