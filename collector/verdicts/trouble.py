"""Whether a location itself is in trouble: many unrelated monitors fail from there only. Pure.

A failure counts against its location when another one saw the monitor well after it began. When
most of what a location last said is so contradicted, the location is not believed until it is
well again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from collector.verdicts.verdict import Standing

LOOKED_AT = 20  # a location's newest results, one a monitor
LEAST = 3  # monitors, and hosts among them: fewer may be related
BEGINS_AT = 0.5  # of those looked at are contradicted
ENDS_BELOW = 0.2
ENDS_AFTER_US = 60_000_000

Standings = Mapping[int, Mapping[str, Standing]]


@dataclass(slots=True)
class Reputation:
    """What is known about one location.

    ``recent``: which monitors it judged last, newest at the end, and whether they fail from there.
    """

    location: str
    recent: OrderedDict[int, bool] = field(default_factory=OrderedDict)
    is_in_trouble: bool = False
    better_since_us: int | None = None

    def saw(self, monitor_id: int, *, is_failing: bool) -> None:
        """Note whose result came in, and whether that monitor fails from here now."""
        recent = self.recent
        recent[monitor_id] = is_failing
        recent.move_to_end(monitor_id)
        if len(recent) > LOOKED_AT:
            recent.popitem(last=False)

    def contradicted(self, standings: Standings, unheard: Collection[str]) -> list[int]:
        """Which of these monitors fail here and were seen well by others that are heard."""
        return [
            monitor_id
            for monitor_id, is_failing in self.recent.items()
            if is_failing and is_contradicted(self.location, standings.get(monitor_id, {}), unheard)
        ]

    def judge(
        self,
        standings: Standings,
        hosts: Mapping[int, str],
        now_us: int,
        unheard: Collection[str] = (),
    ) -> bool:
        """Tell whether the location is in trouble now; it ends when it was well for a while."""
        for monitor_id in [each for each in self.recent if each not in hosts]:
            del self.recent[monitor_id]  # no longer watched
        contradicted = self.contradicted(standings, unheard)
        share = len(contradicted) / len(self.recent) if self.recent else 0.0
        if not self.is_in_trouble:
            unrelated = len({hosts[monitor_id] for monitor_id in contradicted})
            self.is_in_trouble = unrelated >= LEAST and share >= BEGINS_AT
            self.better_since_us = None
        elif share >= ENDS_BELOW:
            self.better_since_us = None
        elif self.better_since_us is None:
            self.better_since_us = now_us
        elif now_us - self.better_since_us >= ENDS_AFTER_US:
            self.is_in_trouble = False
        return self.is_in_trouble


def is_contradicted(
    location: str, standings: Mapping[str, Standing], unheard: Collection[str]
) -> bool:
    """Whether a monitor fails from this location, and another saw it well since that began."""
    own = standings.get(location)
    if own is None or own.failing_since_us is None:
        return False
    return any(
        other.failed == 0 and other.slot_at_us >= own.failing_since_us
        for name, other in standings.items()
        if name != location and name not in unheard
    )
