"""Which locations to ask for a result at once, because one of them saw a monitor fail. Pure.

On a first failure every other location is asked; those that fail are asked again until they have
failed as often in a row as the rule says. Nobody is asked when it could change nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from collector.verdicts.verdict import Place, Rule, Standing

# Between two questions to one location: what is over sooner is no outage.
AGAIN_AFTER_US = 2_000_000
# Beyond the monitor's timeout: the way to the agent and back.
PATIENCE_US = 5_000_000


@dataclass(slots=True)
class Inquiry:
    """When each location was last asked about a monitor."""

    asked_at_us: dict[str, int] = field(default_factory=dict)

    def ask(
        self,
        rule: Rule,
        assigned: Collection[Place],
        standings: Mapping[str, Standing],
        now_us: int,
        *,
        timeout_us: int,
        unheard: Collection[str] = (),
    ) -> list[str]:
        """Return whom to ask now; they are taken to have been asked."""
        heard = [place for place in assigned if place.name not in unheard]
        doubts = {
            place.name: standing.failing_since_us
            for place in heard
            if (standing := standings.get(place.name)) and standing.failing_since_us is not None
        }
        undecided = [name for name in doubts if standings[name].failed < rule.consecutive]
        if not undecided:
            return []
        newest_us = max(since_us for name, since_us in doubts.items() if name in undecided)
        silent = [
            place.name
            for place in heard
            if place.name not in doubts
            and self._may_still_answer(
                place.name, standings.get(place.name), newest_us, now_us, timeout_us
            )
        ]
        keys = {place.name: place.key(rule.distinct_by) for place in heard}
        needed = rule.needed(
            assigned=len({place.key(rule.distinct_by) for place in assigned}),
            voting=len(set(keys.values())),
        )
        if len({keys[name] for name in [*doubts, *silent]}) < needed:
            return []
        wanted = [
            name
            for name in undecided
            if self._may_be_asked_again(name, standings[name], now_us, timeout_us)
        ] + [name for name in silent if self.asked_at_us.get(name, 0) <= newest_us]
        for name in wanted:
            self.asked_at_us[name] = now_us
        return wanted

    def _may_still_answer(
        self, name: str, standing: Standing | None, since_us: int, now_us: int, timeout_us: int
    ) -> bool:
        """Whether a location has not said anything since the failure, and may yet."""
        if standing is not None and standing.slot_at_us >= since_us:
            return False
        asked_at_us = self.asked_at_us.get(name, 0)
        return asked_at_us <= since_us or now_us - asked_at_us <= timeout_us + PATIENCE_US

    def _may_be_asked_again(
        self, name: str, standing: Standing, now_us: int, timeout_us: int
    ) -> bool:
        asked_at_us = self.asked_at_us.get(name, 0)
        waited_us = now_us - asked_at_us
        has_answered = standing.slot_at_us >= asked_at_us
        return waited_us >= (AGAIN_AFTER_US if has_answered else timeout_us + PATIENCE_US)
