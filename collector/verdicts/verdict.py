"""How a monitor stands over all its locations: votes -> standings -> verdict.

Pure: every instant is given, in microseconds after the Unix epoch. What has no vote (suspect, late,
of an unhealthy agent) never comes here; docs/alerts.md explains it all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

Outcome = Literal["up", "degraded", "down"]
State = Literal["up", "degraded", "down", "unknown"]


@dataclass(frozen=True, slots=True)
class Rule:
    """When a monitor is down: vantage.alert_rules. One of the two ``needed`` is None.

    ``slower_for_us`` None: nobody asks whether it is slower than usual.
    """

    needed_locations: int | None = 2
    needed_percent: int | None = None
    consecutive: int = 3
    distinct_by: str = "location"
    closes_after_us: int = 120_000_000
    opens_when_degraded: bool = False
    slower_for_us: int | None = None
    slower_locations: int = 2

    def needed(self, *, assigned: int, voting: int) -> int:
        """How many must fail, of so many that are assigned and so many that have a vote."""
        if self.needed_percent is not None:
            return max(1, -(-voting * self.needed_percent // 100))
        assert self.needed_locations is not None  # noqa: S101 - a check of the table
        return max(1, min(self.needed_locations, assigned))

    def slower_needed(self, *, assigned: int) -> int:
        """From how many it must be slower than usual, of so many that are assigned."""
        return max(1, min(self.slower_locations, assigned))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a location is. None: not stated."""

    name: str
    country: str | None = None
    network: int | None = None

    def key(self, distinct_by: str) -> str:
        """What it counts as: locations with one key are not independent of each other."""
        if distinct_by == "country" and self.country is not None:
            return f"country {self.country}"
        if distinct_by == "network" and self.network is not None:
            return f"network {self.network}"
        return self.name


class Standing(NamedTuple):
    """What a location's votes on a monitor amount to.

    ``failed``: how many of the newest were down, in a row; ``below``: down or degraded.
    ``failing_since_us``: the first of those that were down. ``failed_at_us``: the newest that ever
    was; ``well_since_us``: the first after it that was not. None: there is none.
    """

    slot_at_us: int
    outcome: Outcome
    failed: int
    below: int
    failing_since_us: int | None = None
    failed_at_us: int | None = None
    well_since_us: int | None = None


def take(standing: Standing | None, slot_at_us: int, outcome: Outcome) -> Standing:
    """Count a vote. One that is no newer than the newest changes nothing."""
    if standing is None:
        standing = Standing(0, "up", 0, 0)
    if slot_at_us <= standing.slot_at_us:
        return standing
    if outcome == "down":
        return Standing(
            slot_at_us,
            outcome,
            standing.failed + 1,
            standing.below + 1,
            standing.failing_since_us or slot_at_us,
            slot_at_us,
        )
    return Standing(
        slot_at_us,
        outcome,
        0,
        standing.below + 1 if outcome == "degraded" else 0,
        None,
        standing.failed_at_us,
        slot_at_us if standing.failed else standing.well_since_us,
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the locations say together: vantage.verdicts.

    ``failing_since_us``: the first failing result; of an outage, from the locations that it
    reached together. ``slower``: those from which it is slower than usual, where they are enough;
    else none.
    """

    state: State
    voting: int
    needed: int
    failing: tuple[str, ...] = ()
    slow: tuple[str, ...] = ()
    failing_since_us: int | None = None
    slower: tuple[str, ...] = ()


class Tally:
    """What the locations say that have a vote.

    By what they count as: ``voting``, all of them; ``below``, those that are down or degraded;
    ``since_us``, since when those fail that do. By their names: ``failing``, ``slow``, and
    ``slower``, from which it is slower than usual, with what each counts as.
    """

    __slots__ = ("below", "failing", "since_us", "slow", "slower", "voting")

    def __init__(self) -> None:
        self.voting: set[str] = set()
        self.below: set[str] = set()
        self.since_us: dict[str, int] = {}
        self.failing: list[str] = []
        self.slow: list[str] = []
        self.slower: dict[str, str] = {}

    def add(self, name: str, key: str, standing: Standing, consecutive: int) -> None:
        """Count a location's vote; ``consecutive``: so many in a row must be down or degraded."""
        self.voting.add(key)
        if standing.failed >= consecutive:
            self.failing.append(name)
            self.below.add(key)
            since_us = standing.failing_since_us
            assert since_us is not None  # noqa: S101 - it has failed
            self.since_us[key] = min(since_us, self.since_us.get(key, since_us))
        elif standing.below >= consecutive:
            self.slow.append(name)
            self.below.add(key)

    def state(self, needed: int) -> State:
        """What they agree on, where so many must; they can tell nothing if all of them fail."""
        if not self.voting:
            return "unknown"
        if len(self.since_us) >= needed:
            return "down"
        if len(self.below) >= needed or self.slower:
            return "degraded"
        return "unknown" if self.since_us.keys() == self.voting else "up"


def decide(
    rule: Rule,
    assigned: Collection[Place],
    standings: Mapping[str, Standing],
    *,
    fresh_after_us: int,
    together_us: int,
    unheard: Collection[str] = (),
    slower: Collection[str] = (),
) -> Verdict:
    """Weigh the standings of the assigned locations.

    A vote counts while its slot is after ``fresh_after_us``; locations that are ``unheard``, in
    trouble themselves, have none. ``slower``: locations from which it is slower than usual. What
    failed for longer than ``together_us`` before enough did is no beginning of their outage.
    """
    tally = Tally()
    keys = {place.name: place.key(rule.distinct_by) for place in assigned}
    for name, key in keys.items():
        standing = standings.get(name)
        if standing is None or standing.slot_at_us <= fresh_after_us or name in unheard:
            continue
        tally.add(name, key, standing, rule.consecutive)
        if name in slower:
            tally.slower[name] = key
    number = len(set(keys.values()))
    if len(set(tally.slower.values())) < rule.slower_needed(assigned=number):
        tally.slower.clear()
    needed = rule.needed(assigned=number, voting=len(tally.voting))
    state = tally.state(needed)
    begins = sorted(tally.since_us.values())
    if state == "down":
        begins = [each for each in begins if each >= begins[needed - 1] - together_us]
    return Verdict(
        state,
        len(tally.voting),
        needed,
        tuple(sorted(tally.failing)),
        tuple(sorted(tally.slow)),
        min(begins, default=None),
        tuple(sorted(tally.slower)),
    )
