"""What is usual, as statements give it back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Baseline:
    """A phase at a location in this hour of the week, and how long it takes now.

    ``usual_us`` and ``spread_us`` None: not enough history. ``level_us`` None: too few results now.
    """

    hour_at: datetime
    location: str
    phase: str
    weeks: int
    results: int
    usual_us: int | None
    spread_us: int | None
    level_us: int | None
    is_slower: bool

    @property
    def times(self) -> float | None:
        """How many times as long as usual it takes now."""
        if self.level_us is None or not self.usual_us:
            return None
        return self.level_us / self.usual_us
