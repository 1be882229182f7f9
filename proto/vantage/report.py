"""A report as a table: the same columns in the report centre and on the command line.

docs/reports.md explains each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

CONDITIONS = {
    "period": str,
    "revision": int,
    "made_at": datetime,
    "objective": Decimal,
    "limit_us": int,
    "share": Decimal,
}
FIGURES = {
    "monitor_id": int,
    "monitor": str,
    "url": str,
    "due": int,
    "run": int,
    "missing": int,
    "judged": int,
    "not_judged": int,
    "passed": int,
    "availability": float,
    "is_met": bool,
    "budget": int,
    "spent": int,
    "median_us": int,
    "p95_us": int,
    "timed": int,
    "within": int,
    "within_share": float,
    "is_fast_enough": bool,
    "incidents": int,
    "incident_s": int,
    "maintenance_s": int,
}
"""The columns of a table, and their types where a file has such."""


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
