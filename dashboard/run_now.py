"""What became of a result that somebody asked for, beside the schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard import timespan, words
from dashboard.db import Reader
from dashboard.errors import BadRequest
from dashboard.rows.monitor import Answered, LocationStanding, Monitor

# Beyond the monitor's timeout: the way to the agent and back.
PATIENCE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Run:
    """A result that was asked for from every location of a monitor.

    ``silent``: titles of those that have not answered. ``waited_s``: how long they are waited for.
    """

    requested_at: datetime
    answered: list[Answered]
    silent: list[str]
    waited_s: int
    is_over: bool

    @property
    def worst(self) -> str:
        """The most severe state among the answers."""
        return words.worst([words.OUTCOME_STATES[each.outcome] for each in self.answered])


async def what_became(
    query: Mapping[str, str],
    reader: Reader,
    watched: Monitor,
    standings: Sequence[LocationStanding],
    now: datetime,
) -> Run | None:
    """The run that a page's address names as ``ran``. None: it names none."""
    try:
        requested_at = timespan.instant(query.get("ran", ""))
    except BadRequest:
        return None
    answered = await reader.all(
        Answered, "answered", monitor_id=watched.id, requested_at=requested_at
    )
    known = {each.location for each in answered}
    patience = timedelta(microseconds=watched.timeout_us) + PATIENCE
    return Run(
        requested_at=requested_at,
        answered=answered,
        silent=[each.title for each in standings if each.location not in known],
        waited_s=round(patience.total_seconds()),
        is_over=now - requested_at > patience,
    )
