"""A report as a table: the same columns in the report centre and on the command line.

docs/reports.md explains each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

CONDITIONS = ("period", "revision", "made_at", "objective", "limit_us", "share")
FIGURES = (
    "monitor_id",
    "monitor",
    "url",
    "due",
    "run",
    "missing",
    "judged",
    "not_judged",
    "passed",
    "availability",
    "is_met",
    "budget",
    "spent",
    "median_us",
    "p95_us",
    "timed",
    "within",
    "within_share",
    "is_fast_enough",
    "incidents",
    "incident_s",
    "maintenance_s",
)


def table(
    content: Iterable[Mapping[str, Any]],
    *,
    period: str,
    revision: int,
    made_at: datetime,
    objective: Decimal,
    limit_us: int | None,
    share: Decimal,
) -> Iterator[list[Any]]:
    """Yield the header, then a row a monitor that also says what the report is about, so that rows
    of several reports can be put together.

    ``period``: 2026-10, or the Monday of a week. ``limit_us`` None: no objective of response
    times, so no ``share`` either.
    """
    at = made_at.astimezone(UTC).isoformat(timespec="seconds")
    least = None if limit_us is None else share
    conditions = [period, revision, at, objective, limit_us, least]
    yield [*CONDITIONS, *FIGURES]
    for entry in content:
        yield [*conditions, *(entry[name] for name in FIGURES)]
