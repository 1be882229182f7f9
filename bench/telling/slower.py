"""Months of response times on what is slower than usual: how often it is told wrongly, or not told.

What is usual and what is slower is worked out by tests/support/usual.py from single results;
tests/integration/storing/test_baselines.py holds the database against it.
"""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass, field, replace
from typing import Any

import click

from bench.table import conditions, show
from bench.telling.delays import S, json_option
from collector.verdicts.judge import Judge, Vote, Watched
from collector.verdicts.verdict import Place, Rule
from tests.support.usual import WEEKS, Usual, is_slower, usual

HOUR = 60  # minutes
DAY = 24 * HOUR
WEEK = 7 * DAY
LOOK_MINUTES = 5
BEGIN_S = 1_800_000_000
# A slowdown of the world is five times as slow as usual, for this long.
SLOWDOWN_MINUTES = (45, 180)
SLOWDOWN = 5.0
MINUTES = 15


@dataclass(frozen=True)
class Slow:
    """A slowdown. ``locations``: from which; a true one is seen from all."""

    begin: int
    end: int
    locations: frozenset[int]

    def holds(self, minute: int, location: int) -> bool:
        return self.begin <= minute < self.end and location in self.locations


@dataclass
class World:
    """A monitor's true response times, in minutes since six weeks before the month.

    A daily and a weekly cycle of its own, noise that is log-normal with a Pareto tail, nights with
    a backup, a step for good (a heavier page) and one back, a location that is rerouted for a day.
    """

    locations: int
    weeks: int
    dice: random.Random
    slow: list[Slow] = field(default_factory=list)

    def __post_init__(self) -> None:
        dice, month = self.dice, (WEEKS * WEEK, self.weeks * WEEK)
        self.base_us = [dice.uniform(40_000, 250_000) for _ in range(self.locations)]
        self.swing = dice.uniform(0.1, 0.8)  # of the daily cycle
        self.weekend = dice.uniform(0.6, 1.0)
        self.peak = dice.randrange(DAY)
        self.noise = dice.uniform(0.05, 0.35)
        self.backup = (dice.randrange(24), dice.uniform(1.0, 3.0))
        self.step_at, self.step = dice.randrange(*month), dice.uniform(1.5, 6.0)
        self.step_back_at = self.step_at + dice.randrange(DAY, 2 * WEEK)
        routed = dice.randrange(month[0], month[1] - DAY)
        self.rerouted = Slow(routed, routed + DAY, frozenset([dice.randrange(self.locations)]))
        self.reroute = dice.uniform(2, 6)
        everywhere = frozenset(range(self.locations))
        for _ in range(4):
            at = dice.randrange(month[0] + DAY, month[1] - DAY)
            self.slow.append(Slow(at, at + dice.randint(*SLOWDOWN_MINUTES), everywhere))

    def usual_us(self, minute: int, location: int) -> float:
        angle = 2 * math.pi * (minute - self.peak) / DAY
        level = self.base_us[location] * (1 + self.swing * math.cos(angle))
        if minute % WEEK >= 5 * DAY:
            level *= self.weekend
        if minute % DAY // HOUR == self.backup[0]:
            level *= self.backup[1]
        return level

    def measured_us(self, minute: int, location: int) -> int:
        dice = self.dice
        level = self.usual_us(minute, location) * math.exp(dice.gauss(0, self.noise))
        if dice.random() < 0.02:
            level *= dice.paretovariate(1.1)
        if self.step_at <= minute < self.step_back_at:
            level *= self.step
        if self.rerouted.holds(minute, location):
            level *= self.reroute
        if any(each.holds(minute, location) for each in self.slow):
            level *= SLOWDOWN
        return min(round(level), 60 * S)


@dataclass
class Months:
    """One world's results, what is usual by them, and what a judge makes of it."""

    world: World
    rule: Rule
    factor: float
    results: int = 0
    opened: list[int] = field(default_factory=list)
    open_at: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        names = [f"l{number}" for number in range(self.world.locations)]
        self.judge = Judge(sweeps=1)
        self.watched = Watched(
            id=1,
            account_id=1,
            host="host",
            interval_us=60 * S,
            timeout_us=10 * S,
            rule=self.rule,
            places=tuple(Place(name) for name in names),
        )
        self.judge.configure([self.watched])
        self.series = [
            [self.world.measured_us(minute, location) for minute in range(self.world.weeks * WEEK)]
            for location in range(self.world.locations)
        ]
        self.baselines: dict[tuple[int, int], Usual] = {}

    def baseline(self, location: int, hour: int) -> Usual:
        """What is usual in an hour, by the same one of six weeks before."""
        if (location, hour) not in self.baselines:
            begin, series = hour * HOUR, self.series[location]
            weeks = [series[at : at + HOUR] for at in range(begin - WEEKS * WEEK, begin, WEEK)]
            self.baselines[location, hour] = usual(weeks, series[begin - DAY : begin - DAY + HOUR])
        return self.baselines[location, hour]

    def run(self) -> None:
        for minute in range(WEEKS * WEEK + MINUTES, self.world.weeks * WEEK, LOOK_MINUTES):
            slower = {f"l{each}" for each in range(self.world.locations) if self.look(each, minute)}
            now_us = (BEGIN_S + 60 * minute) * S
            for each in range(self.world.locations):
                vote = Vote(1, f"l{each}", now_us, "up")
                self.judge.hear(vote, received_at_us=now_us)
                self.results += LOOK_MINUTES
            self.judge.compare({1: slower} if slower else {})
            for step in self.judge.judge(now_us).steps:
                if step.kind in ("opened", "reopened"):
                    self.opened.append(minute)
            if 1 in self.judge.cases and self.judge.cases[1].incident.is_open:
                self.open_at.append(minute)

    def look(self, location: int, minute: int) -> bool:
        values = sorted(self.series[location][minute - MINUTES : minute])
        hours = {(minute - MINUTES) // HOUR, (minute - 1) // HOUR}
        level_us = values[(len(values) - 1) // 2]
        verdict = self.judge.verdicts.get(1)
        has_been = verdict is not None and f"l{location}" in verdict.slower
        factor = (1 + self.factor) / 2 if has_been else self.factor
        return is_slower(level_us, [self.baseline(location, each) for each in hours], factor)

    def report(self) -> dict[str, int]:
        world = self.world
        # A lasting change is worth a message, and one when it ends is not.
        step = Slow(world.step_at, world.step_at + DAY, frozenset())
        steps = false = 0
        for minute in self.opened:
            if any(slow.begin <= minute < slow.end + MINUTES for slow in world.slow):
                continue
            if step.begin <= minute < step.end:
                steps += 1
            else:
                false += 1
        return {
            "results": self.results,
            "slowdowns": len(world.slow),
            "found": sum(
                any(slow.begin <= minute < slow.end + MINUTES for minute in self.open_at)
                for slow in world.slow
            ),
            "of steps": steps,
            "false": false,
        }


@click.command()
@click.option("--monitors", type=click.IntRange(min=1), default=20)
@click.option("--locations", type=click.IntRange(min=2), default=3)
@click.option("--weeks", type=click.IntRange(min=1), default=4, help="After six weeks of history.")
@click.option("--factor", "factors", type=float, multiple=True, default=(2.0, 3.0))
@click.option("--needed", type=click.IntRange(min=1), default=2, help="Locations.")
@click.option("--seed", type=int, default=1, help="The same seed deals the same months.")
@json_option
def slower(
    monitors: int,
    locations: int,
    weeks: int,
    factors: tuple[float, ...],
    needed: int,
    seed: int,
    as_json: bool,
) -> None:
    """Simulate response times and count what is told, by factor."""
    before = conditions()
    rule = replace(Rule(), slower_for_us=60 * MINUTES * S, slower_locations=needed)
    rows: list[dict[str, Any]] = []
    for factor in factors:
        total: dict[str, Any] = {"factor": factor}
        for number in range(monitors):
            # The same worlds for each factor.
            dice = random.Random(seed * 1000 + number)
            months = Months(World(locations, WEEKS + weeks, dice), rule, factor)
            months.run()
            for name, value in months.report().items():
                total[name] = total.get(name, 0) + value
        month_days = monitors * weeks * 7
        total["false a monitor and month"] = round(total["false"] / month_days * 30, 3)
        rows.append(total)
    if as_json:
        print(json.dumps({**before, "rows": rows}))
    else:
        print(before)
        title = f"{monitors} monitors x {locations} locations x 60 s, {weeks} weeks"
        show(title, list(rows[0]), [list(row.values()) for row in rows])
