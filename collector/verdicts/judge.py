"""Every monitor's votes, verdict and incident, in memory: arrivals in, decisions out.

Pure: the database is the evaluator's business and every instant is given, in microseconds after the
Unix epoch. A judge that was made anew from what is stored goes on where another ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from collector.verdicts.confirmation import Inquiry
from collector.verdicts.incident import REOPENS_WITHIN_US, Incident, Kind, advance, severity
from collector.verdicts.trouble import Reputation
from collector.verdicts.verdict import Outcome, Place, Rule, Standing, Verdict, decide, take

# A result that comes in later than its probe can have taken was held up: it has no vote.
LATE_AFTER_US = 30_000_000
# All monitors are looked at within so many sweeps, since votes also grow old.
SWEEP_EVERY_US = 1_000_000
SWEEPS = 5
# How long an incident waits for the verdict on a monitor it depends on.
HOLD_US = 10_000_000


@dataclass(frozen=True, slots=True)
class Watched:
    """What there is to know about a monitor that is probed."""

    id: int
    account_id: int
    host: str
    interval_us: int
    timeout_us: int
    rule: Rule
    places: tuple[Place, ...]
    parents: tuple[int, ...] = ()
    is_in_maintenance: bool = False

    @property
    def fresh_us(self) -> int:
        """How old a vote may be: two intervals and what a probe may take."""
        return 2 * self.interval_us + self.timeout_us + LATE_AFTER_US


class Vote(NamedTuple):
    """A result that has come in."""

    monitor_id: int
    location: str
    slot_at_us: int
    outcome: Outcome


@dataclass(slots=True)
class Case:
    """A monitor's incident, the newest. ``id`` None: it is not stored yet."""

    incident: Incident
    id: int | None = None
    silenced_by: int | None = None
    """The monitor whose incident silences it."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to a monitor's incident."""

    monitor_id: int
    kind: Kind
    case: Case
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """Locations to ask for a result of a monitor at once."""

    monitor_id: int
    locations: tuple[str, ...]


@dataclass(slots=True)
class Decisions:
    """What is to be written down and done. ``troubles``: locations, and whether it began."""

    verdicts: dict[int, Verdict | None] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    troubles: dict[str, bool] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.verdicts or self.steps or self.asks or self.troubles)


class Judge:
    """Decides; whoever holds it writes down what it decided."""

    def __init__(self, *, sweeps: int = SWEEPS) -> None:
        self.sweeps = sweeps
        self.watched: dict[int, Watched] = {}
        self.standings: defaultdict[int, dict[str, Standing]] = defaultdict(dict)
        self.verdicts: dict[int, Verdict] = {}
        self.cases: dict[int, Case] = {}
        self.reputations: dict[str, Reputation] = {}
        self.silent: frozenset[str] = frozenset()
        """Locations none of whose agents is well."""
        self.slower: dict[int, frozenset[str]] = {}
        """Monitors that are slower than usual, and from which locations."""
        self._inquiries: defaultdict[int, Inquiry] = defaultdict(Inquiry)
        self._held_since_us: dict[int, int] = {}
        self._touched: set[int] = set()
        self._gone: list[int] = []
        self._hosts: dict[int, str] = {}
        self._swept_at_us = 0
        self._sweep = 0

    # What is known ------------------------------------------------------------------------------

    def configure(self, watched: Iterable[Watched]) -> None:
        """Replace what is watched; what no longer is, is closed with the next decisions."""
        before = self.watched
        self.watched = {each.id: each for each in watched}
        self._hosts = {each.id: each.host for each in self.watched.values()}
        self._gone += [monitor_id for monitor_id in before if monitor_id not in self.watched]
        self._touched |= {each.id for each in self.watched.values() if before.get(each.id) != each}

    def resume(
        self,
        standings: Mapping[int, Mapping[str, Standing]],
        verdicts: Mapping[int, Verdict],
        cases: Mapping[int, Case],
        troubled: Collection[str],
    ) -> None:
        """Go on from what is stored; ``configure`` comes first."""
        for monitor_id, by_location in standings.items():
            self.standings[monitor_id] = dict(by_location)
        seen = [
            (stands.slot_at_us, monitor_id, location, stands.failed > 0)
            for monitor_id, by_location in standings.items()
            for location, stands in by_location.items()
        ]
        for _, monitor_id, location, is_failing in sorted(seen):
            self._reputation(location).saw(monitor_id, is_failing=is_failing)
        self.verdicts = dict(verdicts)
        self.cases = dict(cases)
        for location in troubled:
            self._reputation(location).is_in_trouble = True
        self._gone += [
            monitor_id
            for monitor_id in {*verdicts, *(m for m, c in cases.items() if c.incident.is_open)}
            if monitor_id not in self.watched
        ]
        self._touched |= self.watched.keys()

    def compare(self, slower: Mapping[int, Collection[str]]) -> None:
        """Replace what is known to be slower than usual."""
        after = {each: frozenset(locations) for each, locations in slower.items()}
        self._touched |= {
            each
            for each in self.slower.keys() | after.keys()
            if self.slower.get(each) != after.get(each)
        }
        self.slower = after

    def hear(self, vote: Vote, *, received_at_us: int) -> bool:
        """Take a vote into account; tell whether it had one."""
        monitor_id, location, slot_at_us, outcome = vote
        watched = self.watched.get(monitor_id)
        if watched is None:
            return False
        if received_at_us - slot_at_us > watched.timeout_us + LATE_AFTER_US:
            return False
        standings = self.standings[monitor_id]
        before = standings.get(location)
        after = take(before, slot_at_us, outcome)
        if after is before:
            return False
        standings[location] = after
        self._reputation(location).saw(monitor_id, is_failing=after.failed > 0)
        # Most results change nothing, and need no further look.
        if before is None or before.below or after.below or monitor_id in self.cases:
            self._touched.add(monitor_id)
        return True

    def _reputation(self, location: str) -> Reputation:
        if location not in self.reputations:
            self.reputations[location] = Reputation(location)
        return self.reputations[location]

    @property
    def troubled(self) -> frozenset[str]:
        """Locations that are in trouble themselves."""
        return frozenset(name for name, each in self.reputations.items() if each.is_in_trouble)

    # What follows from it -----------------------------------------------------------------------

    def judge(self, now_us: int) -> Decisions:
        """Decide about what was heard since the last call, and about what time itself changes."""
        decisions = Decisions()
        if self._touched or now_us - self._swept_at_us >= SWEEP_EVERY_US:
            self._look_at_locations(decisions, now_us)
        for monitor_id in self._gone:
            self._drop(decisions, monitor_id, now_us)
        self._gone.clear()
        looked_at = self._due(now_us)
        unheard = self.silent | self.troubled
        for watched in looked_at:
            self._decide(decisions, watched, now_us, unheard)
        # Parents first: their incidents silence their children's.
        for watched in sorted(looked_at, key=self._depth):
            self._advance(decisions, watched, now_us)
        for watched in looked_at:
            self._confirm(decisions, watched, now_us, unheard)
        return decisions

    def _due(self, now_us: int) -> list[Watched]:
        due, self._touched = self._touched, set()
        if now_us - self._swept_at_us >= SWEEP_EVERY_US:
            self._swept_at_us = now_us
            self._sweep = (self._sweep + 1) % self.sweeps
            due |= {each for each in self.watched if each % self.sweeps == self._sweep}
            due |= self._inquiries.keys() | self._held_since_us.keys()
            self.cases = {
                each: case
                for each, case in self.cases.items()
                if now_us - (case.incident.closed_at_us or now_us) <= REOPENS_WITHIN_US
            }
            due |= {each for each, case in self.cases.items() if case.incident.is_open}
        return [self.watched[each] for each in due if each in self.watched]

    def _look_at_locations(self, decisions: Decisions, now_us: int) -> None:
        for location, reputation in self.reputations.items():
            was = reputation.is_in_trouble
            others = self.silent | (self.troubled - {location})
            if reputation.judge(self.standings, self._hosts, now_us, others) is not was:
                decisions.troubles[location] = not was
                self._touched |= set(self._monitors_at(location))

    def _monitors_at(self, location: str) -> Iterator[int]:
        for each in self.watched.values():
            if any(place.name == location for place in each.places):
                yield each.id

    def _decide(
        self, decisions: Decisions, watched: Watched, now_us: int, unheard: Collection[str]
    ) -> None:
        verdict = decide(
            watched.rule,
            watched.places,
            self.standings[watched.id],
            fresh_after_us=now_us - watched.fresh_us,
            together_us=watched.fresh_us,
            unheard=unheard,
            slower=self.slower.get(watched.id, ()) if watched.rule.slower_for_us else (),
        )
        if verdict != self.verdicts.get(watched.id):
            self.verdicts[watched.id] = verdict
            decisions.verdicts[watched.id] = verdict

    def _advance(self, decisions: Decisions, watched: Watched, now_us: int) -> None:
        monitor_id, verdict = watched.id, self.verdicts[watched.id]
        case = self.cases.get(monitor_id)
        may_open = not watched.is_in_maintenance
        if case is None or not case.incident.is_open:
            may_open = may_open and not self._is_held(watched, verdict, now_us)
        incident, kinds = advance(
            case.incident if case else None, watched.rule, verdict, now_us, may_open=may_open
        )
        if incident is None:
            return
        if case is None or "opened" in kinds:
            case = self.cases[monitor_id] = Case(incident)
        case.incident = incident
        if kinds and kinds[0] in ("opened", "reopened"):
            case.silenced_by = self._silencer(watched)
        decisions.steps += [Step(monitor_id, kind, case) for kind in kinds]
        silencer = self._silencer(watched)
        if silencer is None and incident.recovered_at_us is not None:
            silencer = case.silenced_by  # it is about to close, as silently as it began
        if incident.is_open and silencer != case.silenced_by:
            case.silenced_by = silencer
            kind: Kind = "unsilenced" if silencer is None else "silenced"
            decisions.steps.append(Step(monitor_id, kind, case))

    def _silencer(self, watched: Watched) -> int | None:
        """The monitor whose open incident silences this one's."""
        for parent in watched.parents:
            case = self.cases.get(parent)
            if case and case.incident.is_open and case.silenced_by != watched.id:
                return parent
        return None

    def _is_held(self, watched: Watched, verdict: Verdict, now_us: int) -> bool:
        """Whether an incident must wait for the verdict on what the monitor depends on."""
        if severity(watched.rule, verdict) is None:
            self._held_since_us.pop(watched.id, None)
            return False
        since_us = verdict.failing_since_us or now_us
        if any(self._is_in_doubt(parent, since_us) for parent in watched.parents):
            held_since_us = self._held_since_us.setdefault(watched.id, now_us)
            return now_us - held_since_us < HOLD_US
        return False

    def _is_in_doubt(self, parent: int, since_us: int) -> bool:
        """Whether a monitor may be failing since then too, and nobody knows yet."""
        watched, verdict = self.watched.get(parent), self.verdicts.get(parent)
        if watched is None or verdict is None or severity(watched.rule, verdict):
            return False
        standings = self.standings[parent]
        told = [standings[each.name] for each in watched.places if each.name in standings]
        return any(each.failed or each.slot_at_us < since_us for each in told)

    def _confirm(
        self, decisions: Decisions, watched: Watched, now_us: int, unheard: Collection[str]
    ) -> None:
        standings = self.standings[watched.id]
        if not any(each.failed for each in standings.values()):
            self._inquiries.pop(watched.id, None)
            return
        if self.verdicts[watched.id].state == "down" or watched.is_in_maintenance:
            return  # it is known
        asked = self._inquiries[watched.id].ask(
            watched.rule,
            watched.places,
            standings,
            now_us,
            timeout_us=watched.timeout_us,
            unheard=unheard,
        )
        if asked:
            decisions.asks.append(Ask(watched.id, tuple(asked)))
            self._ask_parents(decisions, watched, standings, now_us)

    def _ask_parents(
        self,
        decisions: Decisions,
        watched: Watched,
        standings: Mapping[str, Standing],
        now_us: int,
    ) -> None:
        since_us = min(each.failing_since_us or now_us for each in standings.values())
        for parent in watched.parents:
            if parent not in self.watched or parent in {ask.monitor_id for ask in decisions.asks}:
                continue
            asked_at_us = self._inquiries[parent].asked_at_us
            asked = [
                place.name
                for place in self.watched[parent].places
                if place.name in self.standings[parent]
                and self.standings[parent][place.name].slot_at_us < since_us
                and asked_at_us.get(place.name, 0) < since_us
            ]
            asked_at_us.update(dict.fromkeys(asked, now_us))
            if asked:
                decisions.asks.append(Ask(parent, tuple(asked)))

    def _drop(self, decisions: Decisions, monitor_id: int, now_us: int) -> None:
        """Forget a monitor that is no longer watched, and close its incident."""
        self.standings.pop(monitor_id, None)
        self._inquiries.pop(monitor_id, None)
        self._held_since_us.pop(monitor_id, None)
        if self.verdicts.pop(monitor_id, None) is not None:
            decisions.verdicts[monitor_id] = None
        case = self.cases.pop(monitor_id, None)
        if case is not None and case.incident.is_open:
            recovered_at_us = case.incident.recovered_at_us or now_us
            case.incident = replace(
                case.incident, recovered_at_us=recovered_at_us, closed_at_us=now_us
            )
            decisions.steps.append(Step(monitor_id, "closed", case, "It is no longer watched."))

    def _depth(self, watched: Watched) -> int:
        """How long a chain of dependencies leads here; a circle ends somewhere."""
        depth, seen, parents = 0, {watched.id}, set(watched.parents)
        while parents - seen:
            depth += 1
            seen |= parents
            parents = {
                above
                for parent in parents
                if parent in self.watched
                for above in self.watched[parent].parents
            }
        return depth
