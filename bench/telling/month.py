"""A simulated month on the judge itself: pure computation, no database."""

from __future__ import annotations

import heapq
import json
import random
import sys
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import click

from bench.table import conditions, show
from bench.telling.delays import INTERVAL_S, S, json_option, percentiles
from collector.verdicts.judge import Case, Decisions, Judge, Vote, Watched
from collector.verdicts.verdict import Outcome, Place, Rule, Standing, take

BEGIN_S = 1_800_000_000
# The judge looks whenever something fails or answers; for a while after a failure so often, ...
LOOK_S = 2.0
DOUBT_S = 20.0
# ... and else so often: only time itself changes anything then, and those looks would be nearly all
# the work of a month.
QUIET_LOOK_S = 10.0
# A probe of the simulated world answers after so long.
ANSWER_S = (0.2, 1.5)


@dataclass(frozen=True)
class Span:
    begin_s: float
    end_s: float

    def holds(self, at_s: float) -> bool:
        return self.begin_s <= at_s < self.end_s


class Spans:
    """Spans of time in their order, found by bisection: a month asks millions of times."""

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self.spans = sorted(spans, key=lambda span: span.begin_s)
        self.begins = [span.begin_s for span in self.spans]

    def at(self, at_s: float) -> int | None:
        """Return the number of the one that holds an instant."""
        number = bisect_right(self.begins, at_s) - 1
        return number if number >= 0 and self.spans[number].holds(at_s) else None


@dataclass
class World:
    """What is really so: outages, a broken location, restarts, a location cut off for hours."""

    monitors: int
    locations: int
    days: float
    loss: float
    dice: random.Random
    outages: dict[int, Spans] = field(default_factory=dict)
    away: dict[str, Spans] = field(default_factory=dict)
    cut_off: dict[str, Span] = field(default_factory=dict)
    broken: dict[str, Span] = field(default_factory=dict)

    def __post_init__(self) -> None:
        day = 86_400
        for monitor in range(1, self.monitors + 1):
            begins = sorted(self.dice.uniform(0.02, 0.98) * self.days * day for _ in range(8))
            self.outages[monitor] = Spans(
                Span(at, at + self.dice.uniform(2.2, 45) * 60)
                for at, following in zip(begins, [*begins[1:], float("inf")], strict=True)
                if following - at > 3 * 3600
            )
        names = [f"l{number}" for number in range(self.locations)]
        for name in names:  # its agent restarts once a day
            begins = [(number + self.dice.random()) * day for number in range(int(self.days))]
            self.away[name] = Spans(Span(at, at + self.dice.uniform(20, 90)) for at in begins)
        span = self.days * day
        self.broken[names[0]] = Span(span * 0.3, span * 0.4)
        self.cut_off[names[1]] = Span(span * 0.6, span * 0.6 + 7200)

    def is_away(self, location: str, at_s: float) -> bool:
        return self.away[location].at(at_s) is not None

    def is_cut_off(self, location: str, at_s: float) -> bool:
        return location in self.cut_off and self.cut_off[location].holds(at_s)

    def is_out(self, monitor: int, at_s: float) -> bool:
        return self.outages[monitor].at(at_s) is not None

    def outcome(self, monitor: int, location: str, at_s: float) -> Outcome:
        if self.is_out(monitor, at_s):
            return "down"
        if location in self.broken and self.broken[location].holds(at_s):
            return "down"
        return "down" if self.dice.random() < self.loss else "up"


@dataclass(order=True)
class Arrival:
    at_s: float
    monitor: int
    location: str
    slot_s: float
    outcome: Outcome


@dataclass
class Month:
    """Runs a world past a judge, which is replaced every day as if its collector had died."""

    world: World
    results: int = 0
    asked: int = 0
    looked_s: float = 0.0
    failed_s: float = float("-inf")
    first_failed_s: dict[int, float] = field(default_factory=dict)
    opened: list[tuple[int, float]] = field(default_factory=list)
    troubles: list[tuple[float, str, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        world = self.world
        names = [f"l{number}" for number in range(world.locations)]
        self.watched = [
            Watched(
                id=monitor,
                account_id=1,
                host=f"host-{monitor}",
                interval_us=INTERVAL_S * S,
                timeout_us=10 * S,
                rule=Rule(),
                places=tuple(Place(name) for name in names),
            )
            for monitor in range(1, world.monitors + 1)
        ]
        self.kept: defaultdict[int, defaultdict[str, list[tuple[int, Outcome]]]]
        self.kept = defaultdict(lambda: defaultdict(list))
        self.judge = self.new_judge(None)
        self.answers: list[Arrival] = []

    def new_judge(self, before: Judge | None) -> Judge:
        judge = Judge()
        judge.configure(self.watched)
        if before is not None:
            standings: dict[int, dict[str, Standing]] = defaultdict(dict)
            for monitor, by_location in self.kept.items():
                for location, votes in by_location.items():
                    stands = None
                    for slot_us, outcome in votes[-10:]:
                        stands = take(stands, slot_us, outcome)
                    if stands is not None:
                        standings[monitor][location] = stands
            cases = {each: Case(case.incident, 1) for each, case in before.cases.items()}
            judge.resume(standings, before.verdicts, cases, before.troubled)
        return judge

    def scheduled(self) -> Iterator[Arrival]:
        """Every slot's result in the order of arrival; what is held up comes at the end of that."""
        world, held = self.world, []
        slots = [
            (world.dice.uniform(0, INTERVAL_S), monitor, f"l{number}")
            for monitor in world.outages
            for number in range(world.locations)
        ]
        slots.sort()
        for minute in range(int(world.days * 1440)):
            for offset_s, monitor, location in slots:
                slot_s = minute * INTERVAL_S + offset_s
                if world.is_away(location, slot_s):
                    continue
                outcome = world.outcome(monitor, location, slot_s)
                if world.is_cut_off(location, slot_s):
                    back_s = world.cut_off[location].end_s
                    held.append(Arrival(back_s, monitor, location, slot_s, outcome))
                    continue
                while held and held[0].at_s <= slot_s:
                    yield held.pop(0)
                yield Arrival(slot_s + 0.3, monitor, location, slot_s, outcome)

    def run(self, progress: Callable[[int], None]) -> None:
        """Judge it all; ``progress`` is told of each day that is over."""
        day = 1
        for arrival in self.scheduled():
            while (look_s := self.next_look_s()) <= arrival.at_s:
                if self.answers and self.answers[0].at_s <= look_s:
                    self.hear(heapq.heappop(self.answers))
                self.look(look_s)
                if look_s > day * 86_400:
                    progress(day)
                    day += 1
                    self.judge = self.new_judge(self.judge)
            self.hear(arrival)
            if arrival.outcome == "down":
                self.look(arrival.at_s)

    def next_look_s(self) -> float:
        """When the judge looks next, if nothing fails before."""
        is_in_doubt = self.looked_s < self.failed_s + DOUBT_S
        due_s = self.looked_s + (LOOK_S if is_in_doubt else QUIET_LOOK_S)
        return min(due_s, self.answers[0].at_s) if self.answers else due_s

    def hear(self, arrival: Arrival) -> None:
        self.results += 1
        if arrival.outcome == "down":
            self.failed_s = arrival.at_s
        slot_us = round((BEGIN_S + arrival.slot_s) * S)
        vote = Vote(arrival.monitor, arrival.location, slot_us, arrival.outcome)
        at_us = round((BEGIN_S + arrival.at_s) * S)
        if self.judge.hear(vote, received_at_us=at_us):
            votes = self.kept[arrival.monitor][arrival.location]
            votes.append((slot_us, arrival.outcome))
            del votes[:-10]
            if arrival.outcome == "down" and self.world.is_out(arrival.monitor, arrival.slot_s):
                self.first_failed_s.setdefault(self.outage(arrival), arrival.at_s)

    def outage(self, arrival: Arrival) -> int:
        """A name for the outage that a result is of."""
        number = self.world.outages[arrival.monitor].at(arrival.slot_s)
        assert number is not None
        return arrival.monitor * 1000 + number

    def look(self, at_s: float) -> None:
        self.looked_s = at_s
        decisions = self.judge.judge(round((BEGIN_S + at_s) * S))
        if decisions:
            self.follow(decisions, at_s)

    def follow(self, decisions: Decisions, at_s: float) -> None:
        self.opened += [
            (step.monitor_id, at_s)
            for step in decisions.steps
            if step.kind in ("opened", "reopened")
        ]
        self.troubles += [(at_s, name, begun) for name, begun in decisions.troubles.items()]
        for ask in decisions.asks:
            for location in ask.locations:
                self.asked += 1
                if self.world.is_away(location, at_s) or self.world.is_cut_off(location, at_s):
                    continue
                outcome = self.world.outcome(ask.monitor_id, location, at_s)
                answer_s = at_s + self.world.dice.uniform(*ANSWER_S)
                answer = Arrival(answer_s, ask.monitor_id, location, at_s, outcome)
                heapq.heappush(self.answers, answer)

    def report(self) -> dict[str, Any]:
        delays, false, found = [], 0, set()
        for monitor, at_s in self.opened:
            spans = self.world.outages[monitor].spans
            # A location's newest results may be of a moment ago, and so may a confirmation.
            number = next(
                (n for n, s in enumerate(spans) if s.begin_s <= at_s < s.end_s + 15), None
            )
            if number is None:
                false += 1
            elif (monitor * 1000 + number) not in found:
                found.add(monitor * 1000 + number)
                delays.append(at_s - self.first_failed_s[monitor * 1000 + number])
        outages = sum(len(each.spans) for each in self.world.outages.values())
        return {
            "results": self.results,
            "confirmations": self.asked,
            "outages": outages,
            "missed": outages - len(found),
            "false": false,
            "troubles": len([each for each in self.troubles if each[2]]),
            **percentiles(delays),
        }


@click.command()
@click.option("--monitors", type=click.IntRange(min=3), default=20)
@click.option("--locations", type=click.IntRange(min=3), default=10)
@click.option("--days", type=click.FloatRange(min=1), default=30.0)
@click.option("--loss", type=float, default=0.01, help="Of all results, which then are down.")
@click.option("--seed", type=int, default=1, help="The same seed deals the same month.")
@json_option
def month(
    monitors: int, locations: int, days: float, loss: float, seed: int, as_json: bool
) -> None:
    """Simulate a month: outages, one broken location, restarts, losses, a two-hour backfill.

    Exits with 1 where an incident was false or an outage longer than two intervals missed.
    """
    before = conditions()
    dice = random.Random(seed)
    simulated = Month(World(monitors, locations, days, loss, dice))
    simulated.run(progress)
    if sys.stderr.isatty():
        click.echo(err=True)
    found = simulated.report()
    if as_json:
        print(json.dumps({**before, **found}))
    else:
        print(before)
        show(
            f"{monitors} monitors x {locations} locations x {INTERVAL_S} s, {days:g} days",
            list(found),
            [list(found.values())],
        )
    raise SystemExit(1 if found["false"] or found["missed"] else 0)


def progress(day: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\rday {day}", nl=False, err=True)
