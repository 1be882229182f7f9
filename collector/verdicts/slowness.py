"""What takes longer than usual: a phase of a monitor, from one location. Pure.

What is usual is the database's business (vantage.baselines, vantage.is_slower); docs/alerts.md
explains it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slowness:
    """How long it takes now, ``level_us``, and how long it usually does at this time."""

    phase: str
    level_us: int
    usual_us: int

    @property
    def times(self) -> float:
        return self.level_us / max(1, self.usual_us)
