"""How soon an outage is an incident, and how often one is opened that was none.

    python -m bench.telling month          a simulated month, on the judge itself
    python -m bench.telling live           1,000 monitors x 10 locations, over a real database

``month`` is pure computation. ``live`` runs a committer and the verdicts in this process over the
private TimescaleDB; agents are simulated down to the encoded results that the committer gets.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import os
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import click
import psycopg
from psycopg.rows import dict_row

from bench.table import conditions, show
from collector import batch, db, ingest, log
from collector.assignments import Probed, RunRequest
from collector.migrate import migrate
from collector.operator.account import add_account
from collector.operator.location import add_location
from collector.private_server import default_cache, ensure_server
from collector.progress import silent
from collector.verdicts.evaluator import Evaluator
from collector.verdicts.judge import Case, Decisions, Judge, Vote, Watched
from collector.verdicts.verdict import Outcome, Place, Rule, Standing, take
from tests.support.database import running, temporary_home
from vantage.v1 import result_pb2

S = 1_000_000
INTERVAL_S = 60
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(context_settings={"show_default": True})
def main() -> None:
    """Time to incident, false incidents, missed outages."""


# How long before the end of a live run the last monitor is broken: every location has seen it then.
LAST_S = 90.0


# A month ----------------------------------------------------------------------------------------

BEGIN_S = 1_800_000_000
# The judge looks at least so often; also whenever something fails or answers.
LOOK_S = 2.0
# A probe of the simulated world answers after so long.
ANSWER_S = (0.2, 1.5)


@dataclass(frozen=True)
class Span:
    begin_s: float
    end_s: float

    def holds(self, at_s: float) -> bool:
        return self.begin_s <= at_s < self.end_s


@dataclass
class World:
    """What is really so: outages, a broken location, restarts, a location cut off for hours."""

    monitors: int
    locations: int
    days: float
    loss: float
    dice: random.Random
    outages: dict[int, list[Span]] = field(default_factory=dict)
    away: dict[str, list[Span]] = field(default_factory=lambda: defaultdict(list))
    cut_off: dict[str, Span] = field(default_factory=dict)
    broken: dict[str, Span] = field(default_factory=dict)

    def __post_init__(self) -> None:
        day = 86_400
        for monitor in range(1, self.monitors + 1):
            begins = sorted(self.dice.uniform(0.02, 0.98) * self.days * day for _ in range(8))
            self.outages[monitor] = [
                Span(at, at + self.dice.uniform(2.2, 45) * 60)
                for at, following in zip(begins, [*begins[1:], float("inf")], strict=True)
                if following - at > 3 * 3600
            ]
        names = [f"l{number}" for number in range(self.locations)]
        for name in names:  # its agent restarts once a day
            for number in range(int(self.days)):
                at = (number + self.dice.random()) * day
                self.away[name].append(Span(at, at + self.dice.uniform(20, 90)))
        span = self.days * day
        self.broken[names[0]] = Span(span * 0.3, span * 0.4)
        self.cut_off[names[1]] = Span(span * 0.6, span * 0.6 + 7200)

    def is_away(self, location: str, at_s: float) -> bool:
        return any(span.holds(at_s) for span in self.away[location])

    def is_cut_off(self, location: str, at_s: float) -> bool:
        return location in self.cut_off and self.cut_off[location].holds(at_s)

    def is_out(self, monitor: int, at_s: float) -> bool:
        return any(span.holds(at_s) for span in self.outages[monitor])

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

    def run(self) -> None:
        looked_s, day = 0.0, 1
        for arrival in self.scheduled():
            while looked_s + LOOK_S <= arrival.at_s or (
                self.answers and self.answers[0].at_s <= arrival.at_s
            ):
                due_s = self.answers[0].at_s if self.answers else float("inf")
                if due_s <= min(looked_s + LOOK_S, arrival.at_s):
                    self.hear(heapq.heappop(self.answers))
                    self.look(due_s)
                else:
                    looked_s += LOOK_S
                    self.look(looked_s)
                if looked_s > day * 86_400:
                    day += 1
                    self.judge = self.new_judge(self.judge)
            self.hear(arrival)
            if arrival.outcome == "down":
                self.look(arrival.at_s)

    def hear(self, arrival: Arrival) -> None:
        self.results += 1
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
        spans = self.world.outages[arrival.monitor]
        number = next(n for n, span in enumerate(spans) if span.holds(arrival.slot_s))
        return arrival.monitor * 1000 + number

    def look(self, at_s: float) -> None:
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
            spans = self.world.outages[monitor]
            # A location's newest results may be of a moment ago, and so may a confirmation.
            number = next(
                (n for n, s in enumerate(spans) if s.begin_s <= at_s < s.end_s + 15), None
            )
            if number is None:
                false += 1
            elif (monitor * 1000 + number) not in found:
                found.add(monitor * 1000 + number)
                delays.append(at_s - self.first_failed_s[monitor * 1000 + number])
        outages = sum(map(len, self.world.outages.values()))
        return {
            "results": self.results,
            "confirmations": self.asked,
            "outages": outages,
            "missed": outages - len(found),
            "false": false,
            "troubles": len([each for each in self.troubles if each[2]]),
            **percentiles(delays),
        }


def percentiles(seconds: Sequence[float]) -> dict[str, float | None]:
    if len(seconds) < 2:
        return {"p50_s": None, "p99_s": None, "max_s": None}
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"p50_s": round(cuts[49], 2), "p99_s": round(cuts[98], 2), "max_s": max(seconds)}


@main.command()
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
    simulated.run()
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


# Live -------------------------------------------------------------------------------------------


@dataclass
class Site:
    """One location's agent: its place in the delivery, and how its results are encoded."""

    location: str
    agent_id: UUID
    incarnation: bytes
    seq: int = 0
    waiting: list[bytes] = field(default_factory=list)

    def probe(self, monitor_id: int, slot_at_us: int, *, is_down: bool, is_extra: bool) -> None:
        message = result_pb2.Result(
            monitor_id=monitor_id,
            slot_at_us=slot_at_us,
            started_at_us=slot_at_us + 300,
            outcome=result_pb2.OUTCOME_DOWN if is_down else result_pb2.OUTCOME_UP,
            failure="connect_refused" if is_down else "",
            exchanges=[
                result_pb2.Exchange(
                    url="http://target.example/",
                    phases=result_pb2.Phases(connect_us=1_500)
                    if is_down
                    else result_pb2.Phases(
                        connect_us=200, send_us=0, wait_us=1_000, receive_us=300
                    ),
                    total_us=1_500,
                    http_status=None if is_down else 200,
                    target_ip=bytes([127, 0, 0, 1]),
                    target_port=80,
                )
            ],
            total_us=1_500,
            is_extra=is_extra,
        )
        self.waiting.append(message.SerializeToString())


@dataclass
class Installation:
    """A committer, a judge and the agents of every location, in one process."""

    url: str
    monitors: int
    sites: list[Site]
    down_since: dict[int, float] = field(default_factory=dict)
    failed_at: dict[int, float] = field(default_factory=dict)
    known_at: dict[int, float] = field(default_factory=dict)
    lag_s: float = 0.0

    async def run(self, seconds: float, outages: int) -> None:
        committer = ingest.Committer(self.url, Probed(self.url))
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(each)
                for each in (
                    committer.run(),
                    Evaluator(self.url).run(),
                    self.answer(),
                    self.watch(),
                    *(self.deliver(committer, site) for site in self.sites),
                )
            ]
            await self.schedule(seconds, outages)
            for task in running:
                task.cancel()

    async def schedule(self, seconds: float, outages: int) -> None:
        """Run each pair once a minute; after the first minute break one monitor after the other."""
        pairs = [(monitor, site) for monitor in range(1, self.monitors + 1) for site in self.sites]
        random.Random(1).shuffle(pairs)
        began = time.monotonic()
        breaks = iter(
            began + INTERVAL_S + (seconds - INTERVAL_S - LAST_S) * number / outages
            for number in range(outages)
        )
        due_break, broken = next(breaks), 0
        number = 0
        while (now := time.monotonic()) < began + seconds:
            while broken < outages and now >= due_break:
                broken += 1
                self.down_since[broken * (self.monitors // outages)] = now
                due_break = next(breaks, float("inf"))
            while number < (now - began) * len(pairs) / INTERVAL_S:
                monitor, site = pairs[number % len(pairs)]
                self.lag_s = max(self.lag_s, now - began - number * INTERVAL_S / len(pairs))
                self.probe(site, monitor, time.time_ns() // 1000, is_extra=False)
                number += 1
            await asyncio.sleep(0.02)

    def probe(self, site: Site, monitor: int, slot_at_us: int, *, is_extra: bool) -> None:
        is_down = monitor in self.down_since
        if is_down:
            self.failed_at.setdefault(monitor, time.time())
        site.probe(monitor, slot_at_us, is_down=is_down, is_extra=is_extra)

    async def deliver(self, committer: ingest.Committer, site: Site) -> None:
        source = batch.Source(site.agent_id, site.location, site.incarnation, 1)
        while True:
            await asyncio.sleep(0.1)  # what an agent gathers before it sends
            payloads, site.waiting = site.waiting, []
            if payloads:
                answer = await committer.submit(source, site.seq + 1, payloads)
                stored = await answer
                assert isinstance(stored, batch.Stored), stored
                site.seq += len(payloads)

    async def answer(self) -> None:
        """Be told to run monitors now, as collectors are, and let the agents do it."""
        async with await db.connect(self.url) as listener:
            await listener.execute("LISTEN vantage_run_now")
            async for told in listener.notifies():
                run = RunRequest.parse(told.payload)
                for site in self.sites:
                    if site.location in run.locations:
                        self.probe(site, run.monitor_id, run.requested_at_us, is_extra=True)

    async def watch(self) -> None:
        """Note when an incident can be seen by whoever tells people."""
        async with await db.connect(self.url) as reader:
            while True:
                cursor = await reader.execute("SELECT monitor_id FROM vantage.incidents")
                for row in await cursor.fetchall():
                    self.known_at.setdefault(row["monitor_id"], time.time())
                await asyncio.sleep(0.1)


def install(url: str, admin: str, monitors: int, locations: int) -> Installation:
    with psycopg.connect(admin, row_factory=dict_row) as connection:
        account_id = add_account(connection, "bench", "bench@example.org", "a-password")
        sites = []
        for number in range(locations):
            site = Site(f"l{number}", uuid4(), os.urandom(16))
            add_location(connection, name=site.location, title=site.location)
            connection.execute(
                "INSERT INTO vantage.agents (id, location, name, certificate_expires_at,"
                " takes_from) VALUES (%s, %s, 'bench', now() + INTERVAL '1 day', now())",
                [site.agent_id, site.location],
            )
            connection.execute(
                "INSERT INTO vantage.incarnations (agent_id, incarnation) VALUES (%s, %s)",
                [site.agent_id, site.incarnation],
            )
            sites.append(site)
        connection.execute(
            "INSERT INTO vantage.monitors (account_id, name, url, is_everywhere)"
            " SELECT %s, 'm' || n, 'http://host-' || n || '.example/', true"
            " FROM generate_series(1, %s::integer) AS n",
            [account_id, monitors],
        )
        connection.execute(
            "INSERT INTO vantage.monitor_locations SELECT monitors.id, locations.name"
            " FROM vantage.monitors CROSS JOIN vantage.locations"
        )
    return Installation(url, monitors, sites)


@main.command()
@click.option("--monitors", type=click.IntRange(min=100), default=1_000)
@click.option("--locations", type=click.IntRange(min=2), default=10)
@click.option("--seconds", type=click.FloatRange(min=180), default=300.0)
@click.option("--outages", type=click.IntRange(min=2), default=100)
@json_option
def live(monitors: int, locations: int, seconds: float, outages: int, as_json: bool) -> None:
    """Break monitors one after the other and time it until the incident is in the database.

    From the end of the first failing probe to when the incident can be read. Exits with 1 where one
    was missed, or opened for a monitor that was well.
    """
    before = conditions()
    log.configure("error")
    server = ensure_server(
        cache=default_cache(), progress=silent, mirror=os.environ.get("VANTAGE_MIRROR")
    )
    with temporary_home() as home, running(home, server) as local:
        local.create_database()
        migrate(local.url())
        url = local.url(role="vantage_collector")
        installation = install(url, local.url(), monitors, locations)
        asyncio.run(installation.run(seconds, outages))
    failed = installation.failed_at
    delays = [at - failed[each] for each, at in installation.known_at.items() if each in failed]
    found = {
        "results_s": monitors * locations // INTERVAL_S,
        "outages": len(failed),
        "missed": len(failed.keys() - installation.known_at.keys()),
        "false": len(installation.known_at.keys() - failed.keys()),
        **percentiles(delays),
        "agents_late_s": round(installation.lag_s, 2),
    }
    if as_json:
        print(json.dumps({**before, **found}))
    else:
        print(before)
        title = f"{monitors:,} monitors x {locations} locations x {INTERVAL_S} s, {seconds:g} s"
        show(title, list(found), [list(found.values())])
    raise SystemExit(1 if found["false"] or found["missed"] else 0)


if __name__ == "__main__":
    main()
