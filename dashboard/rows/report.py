"""A report of a month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Report:
    """``content``: figures, one entry a monitor, as vantage.report_figures gives them.

    ``revision`` 0: the month is not over.
    """

    revision: int
    made_at: datetime
    content: list[dict[str, Any]]
    is_over: bool
