"""How many results one collector stores on one core, beside a bare COPY of the same rows.

    python -m bench.throughput --agents 200 --results 5000

Agents are the real delivery and spool, each with its own certificate and stream over mutual TLS,
all in one process beside the database on the other core. First what is there already is delivered
as fast as it is taken; then shares of that come in steady flows, and every acknowledgement is timed
from the moment its results are durable. How long that took within the collector, stage by stage, is
what it says itself; the rest is the agents' and the network's.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import resource
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen
from uuid import UUID

import click
import psycopg
import structlog
import uvloop
from prometheus_client.parser import text_string_to_metric_families
from psycopg.sql import SQL, Identifier

from agent.delivery import Delivery
from agent.enrolment import join, parse_token
from agent.home import Home
from agent.incarnation import Incarnation
from agent.result import Exchange, Outcome, Phases, Result
from agent.spool import Spool
from agent.wire import encode
from bench.process import cpu_s, memory_mb
from bench.table import conditions, show
from collector import postmaster, wire
from collector.migrate import migrate
from tests.support.collector import configure, fetch, running_collector
from tests.support.database import fetched_server, running, temporary_home
from tests.support.processes import free_port
from tests.support.rows import named

MONITORS = 20
COPY_BATCHES = (1_000, 10_000)
SAMPLE_EVERY_S = 0.05
# How often each agent of the steady flow has something new.
PERIOD_S = 0.25
CORES = sorted(os.sched_getaffinity(0))


@dataclass(slots=True)
class Commit:
    """Results up to ``last_seq`` that became durable together; ``sent_at`` 0: not yet."""

    last_seq: int
    durable_at: float
    sent_at: float = 0.0


@dataclass(slots=True)
class Waits:
    """How long commits took to be acknowledged, and how much of it to be sent, in seconds."""

    acknowledged: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)

    def clear(self) -> None:
        self.acknowledged.clear()
        self.sent.clear()


class TimedSpool(Spool):
    """Tells how long after they were durable results were sent and acknowledged."""

    def __init__(self, directory: Path, waits: Waits) -> None:
        # The disk is the agent's, and not what is measured.
        super().__init__(directory, sync=lambda descriptor: None)
        self.waits = waits
        self.pending: deque[Commit] = deque()

    def read(
        self, incarnation: Incarnation, seq: int, *, max_results: int, max_bytes: int
    ) -> list[bytes]:
        found = super().read(incarnation, seq, max_results=max_results, max_bytes=max_bytes)
        now = time.perf_counter()
        for commit in self.pending:
            if seq <= commit.last_seq < seq + len(found):
                commit.sent_at = now
        return found

    def ack(self, incarnation: Incarnation, high_water: int) -> None:
        while self.pending and self.pending[0].last_seq <= high_water:
            commit = self.pending.popleft()
            self.waits.acknowledged.append(time.perf_counter() - commit.durable_at)
            self.waits.sent.append(commit.sent_at - commit.durable_at)
        super().ack(incarnation, high_water)


@dataclass
class Agent:
    spool: TimedSpool
    delivery: Delivery
    made: int = 0


@dataclass
class Fleet:
    """Every agent, and what became of what they made."""

    agents: list[Agent]
    monitors: list[int]
    waits: Waits = field(default_factory=Waits)

    @property
    def backlog(self) -> int:
        return sum(agent.spool.backlog for agent in self.agents)

    def make(self, count: int, dice: random.Random, ahead_s: float = 0.0) -> list[bytes]:
        """Make results of slots that are due so many seconds from now."""
        at_us = time.time_ns() // 1000 + round(ahead_s * 1e6)
        return [
            made(self.monitors[number % len(self.monitors)], dice, at_us) for number in range(count)
        ]

    def spool(self, agent: Agent, payloads: list[bytes]) -> None:
        agent.made += len(payloads)
        agent.spool.append(payloads)
        agent.spool.pending.append(Commit(agent.spool.running.last_seq, time.perf_counter()))


def made(monitor_id: int, dice: random.Random, at_us: int) -> bytes:
    """A result like most: HTTPS, by name, up."""
    phases = [dice.randint(1, limit) for limit in (30_000, 40_000, 60_000, 50, 200_000, 9_000)]
    exchange = Exchange(
        url="https://www.example.com/",
        phases=Phases(*phases),
        total_us=sum(phases),
        http_status=200,
        http_version="2",
        header_bytes=412,
        body_bytes=18_301,
        target_ip=bytes([93, 184, 215, dice.randrange(256)]),
        target_port=443,
        local_ip=bytes([10, 0, 0, 7]),
        rtt_us=phases[1] - 1,
        cert_expires_at_us=1_830_000_000_000_000,
    )
    return encode(
        Result(
            monitor_id=monitor_id,
            slot_at_us=at_us,
            started_at_us=at_us + 300,
            outcome=Outcome.UP,
            failure=None,
            exchanges=(exchange,),
            redirect_us=0,
            total_us=exchange.total_us,
            delay_us=300,
            lag_us=50,
        )
    )


@contextmanager
def on_core(number: int) -> Iterator[None]:
    """Keep this process, and those it starts, on one core; on all there are, where there is one."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CORES[number % len(CORES)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Bench:
    """What each steady flow took, by its share, once it was run.

    ``latency_ms``: percentiles from durable to acknowledged. ``sent_ms``: those to its being sent,
    which is the agents' own waiting, for their process and for the answer to the batch before.
    ``stages``: of the batches within the collector, how many took how long (s) at most, by stage.
    """

    def __init__(
        self,
        directory: Path,
        agents: int,
        results: int,
        seconds: float,
        shares: tuple[float, ...],
    ) -> None:
        self.directory = directory
        self.locations = [f"region-{number}" for number in range(agents)]
        self.results = results
        self.seconds = seconds
        self.shares = shares
        self.dice = random.Random(1)
        self.rows: list[tuple[object, ...]] = []
        self.latency_ms: dict[float, dict[str, float]] = {}
        self.sent_ms: dict[float, dict[str, float]] = {}
        self.stages: dict[float, dict[str, dict[float, float]]] = {}
        self.memory_mb: dict[str, float] = {}
        self.metrics_port = free_port()

    def run(self) -> list[tuple[object, ...]]:
        # The database waits for its disk, as one in production does.
        with (
            on_core(1),
            temporary_home(on_disk=True) as home,
            running(home, fetched_server(), {}) as self.local,
        ):
            self.local.create_database()
            migrate(self.local.url())
            monitors = configure(self.local.url(), locations=self.locations, monitors=MONITORS)
            self.fleet = Fleet([], monitors)
            url = self.local.url(role="vantage_collector")
            listen = f"--metrics-listen=:{self.metrics_port}"
            with on_core(0), running_collector(url, self.directory, listen) as self.collector:
                best = max(self.copy(batch) for batch in COPY_BATCHES)
                with on_core(1):
                    uvloop.run(self.deliver(best))
        return self.rows

    def copy(self, batch: int) -> float:
        """COPY rows as the collector makes them, from this core; return how many a second."""
        dice, count = random.Random(2), len(self.locations) * self.results // 4
        rows = []
        for number in range(count):
            now_us = time.time_ns() // 1000
            message = wire.decode(made(self.fleet.monitors[number % MONITORS], dice, now_us))
            location = self.locations[number * len(self.locations) // count]
            agent_id = UUID(int=number * len(self.locations) // count).bytes
            encoded, _ = wire.rows(message, wire.Origin(agent_id, location), now_us)
            rows.append(tuple(named(encoded, wire.RESULT_COLUMNS).values()))
        statement = SQL("COPY vantage.results ({}) FROM STDIN (FORMAT BINARY)").format(
            SQL(", ").join(map(Identifier, wire.RESULT_COLUMNS))
        )
        with psycopg.connect(self.local.url(), autocommit=True) as connection:
            database_s, began, cpu = self.database_s(), time.perf_counter(), time.process_time()
            for first in range(0, count, batch):
                with (
                    connection.transaction(),
                    connection.cursor() as cursor,
                    cursor.copy(statement) as copy,
                ):
                    copy.set_types(list(wire.RESULT_COLUMNS.values()))
                    for row in rows[first : first + batch]:
                        copy.write_row(row)
            speed = count / (time.perf_counter() - began)
            client_us = (time.process_time() - cpu) / count * 1e6
            server_us = (self.database_s() - database_s) / count * 1e6
            connection.execute("TRUNCATE vantage.results")
        self.rows.append(
            (f"bare COPY, {batch:,} a batch", count, speed, None, client_us, server_us, None)
        )
        return speed

    async def deliver(self, copy_speed: float) -> None:
        for location in self.locations:
            self.fleet.agents.append(await self.enrolled(location))
        for agent in self.fleet.agents:
            for first in range(0, self.results, 1_000):
                count = min(1_000, self.results - first)
                self.fleet.spool(agent, self.fleet.make(count, self.dice))
        tasks = [asyncio.create_task(agent.delivery.run()) for agent in self.fleet.agents]
        try:
            pid = self.collector.program.pid
            self.memory_mb["before"] = memory_mb(pid, "VmHWM")
            speed = await self.measured("backlog", self.drained, copy_speed)
            self.memory_mb["after a backlog"] = memory_mb(pid, "VmHWM")
            for share in self.shares:
                await self.rolled_up()
                await self.steady(share, speed * share, copy_speed)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        [row] = fetch(self.local.url(), "SELECT count(*) AS stored FROM vantage.results")
        assert row["stored"] == sum(agent.made for agent in self.fleet.agents), row

    async def rolled_up(self) -> None:
        """Wait until the rollups of all that is stored are made: they are not the next flow's."""
        behind = "SELECT EXISTS (SELECT FROM vantage.ingested) AS is_behind"
        is_behind = lambda: fetch(self.local.url(), behind)[0]["is_behind"]  # noqa: E731
        while await asyncio.to_thread(is_behind):  # noqa: ASYNC110 - sampling
            await asyncio.sleep(SAMPLE_EVERY_S)

    async def steady(self, share: float, speed: float, copy_speed: float) -> None:
        """Have so many results a second come, and time their acknowledgements."""
        self.fleet.waits.clear()
        before = await asyncio.to_thread(self.staged)
        of_each = speed / len(self.fleet.agents)
        count = max(1, round(of_each * PERIOD_S))
        period_s = count / of_each
        turns = max(1, round(self.seconds / period_s)) * len(self.fleet.agents)
        # Made before: what that takes is no agent's, which would have probed instead.
        every_s = period_s / len(self.fleet.agents)
        made_before = [self.fleet.make(count, self.dice, turn * every_s) for turn in range(turns)]
        name = f"{share:.0%} of that wanted"
        await self.measured(name, lambda: self.flowed(made_before, period_s), copy_speed)
        after = await asyncio.to_thread(self.staged)
        self.latency_ms[share] = percentiles(self.fleet.waits.acknowledged)
        self.sent_ms[share] = percentiles(self.fleet.waits.sent)
        self.stages[share] = {
            stage: shares({limit: count - before[stage][limit] for limit, count in of.items()})
            for stage, of in after.items()
        }

    def staged(self) -> dict[str, dict[float, float]]:
        """Return how many batches took no longer than each limit, by stage."""
        found: dict[str, dict[float, float]] = {}
        with urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as answer:
            for family in text_string_to_metric_families(answer.read().decode()):
                for sample in family.samples:
                    if sample.name == "vantage_collector_batch_seconds_bucket":
                        limits = found.setdefault(sample.labels["stage"], {})
                        limits[float(sample.labels["le"])] = sample.value
        return found

    async def enrolled(self, location: str) -> Agent:
        home = Home(self.directory / location)
        identity = await join(home, parse_token(self.collector.token(location)), location)
        spool = TimedSpool(home.claim_spool(identity.agent_id), self.fleet.waits)
        delivery = Delivery(
            home,
            spool,
            collector=f"127.0.0.1:{self.collector.port}",
            version="bench",
            on_assignments=lambda assignments: None,
            on_run_now=lambda run_now: None,
        )
        return Agent(spool, delivery)

    async def measured(
        self, name: str, phase: Callable[[], Awaitable[tuple[int, float]]], copy_speed: float
    ) -> float:
        """Run a phase that tells how many results were stored in how many seconds."""
        pid = self.collector.program.pid
        made_before = sum(agent.made for agent in self.fleet.agents) - self.fleet.backlog
        collector_s, database_s, agents_s = cpu_s(pid), self.database_s(), time.process_time()
        stored, took_s = await phase()
        total = sum(agent.made for agent in self.fleet.agents) - made_before
        collector_us = (cpu_s(pid) - collector_s) / total * 1e6
        database_us = (self.database_s() - database_s) / total * 1e6
        agents_us = (time.process_time() - agents_s) / total * 1e6
        speed = stored / took_s
        self.rows.append(
            (name, total, speed, speed / copy_speed, collector_us, database_us, agents_us)
        )
        return speed

    async def drained(self) -> tuple[int, float]:
        """Wait until nothing is left; leave the first and the last tenth out of account."""
        fleet, samples = self.fleet, [(time.perf_counter(), 0)]
        total = fleet.backlog
        while backlog := fleet.backlog:
            await asyncio.sleep(SAMPLE_EVERY_S)
            samples.append((time.perf_counter(), total - backlog))
        middle = [(at, done) for at, done in samples if total / 10 <= done <= total * 9 / 10]
        if len(middle) < 2:
            raise click.ClickException(
                f"{total:,} results were stored too soon to be timed: give more, with --results."
            )
        (from_s, from_done), (to_s, to_done) = middle[0], middle[-1]
        return to_done - from_done, to_s - from_s

    async def flowed(self, flow: list[list[bytes]], period_s: float) -> tuple[int, float]:
        """Have each agent make some results every period, one agent after the other."""
        agents = self.fleet.agents
        began = time.perf_counter()
        for turn, payloads in enumerate(flow):
            wait_s = began + turn * period_s / len(agents) - time.perf_counter()
            await asyncio.sleep(max(0, wait_s))
            agent = agents[turn % len(agents)]
            self.fleet.spool(agent, payloads)
            agent.delivery.wake()
        while self.fleet.backlog:  # noqa: ASYNC110 - sampling
            await asyncio.sleep(SAMPLE_EVERY_S)
        return sum(map(len, flow)), time.perf_counter() - began

    def database_s(self) -> float:
        """Return the processor time of the database's processes that are there."""
        server = postmaster.find(self.local.data)
        assert server is not None
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        return cpu_s(server) + sum(cpu_s(int(child)) for child in children)


def percentiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    at = lambda share: round(ordered[int(share * (len(ordered) - 1))] * 1000, 1)  # noqa: E731
    return {"p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1)}


def shares(counts: dict[float, float]) -> dict[float, float]:
    """Turn how many took no longer than each limit (s) into their share of all."""
    total = max(counts.values(), default=0.0) or 1.0
    return {limit: round(count / total, 4) for limit, count in sorted(counts.items())}


@click.command(context_settings={"show_default": True})
@click.option("--agents", type=click.IntRange(min=1), default=200, help="Each in its own location.")
@click.option("--results", type=click.IntRange(min=100), default=4_000, help="Of each agent.")
@click.option("--seconds", type=click.FloatRange(min=2), default=15.0, help="Of each steady flow.")
@click.option(
    "--share",
    "of_speed",
    type=click.FloatRange(min=0.01, max=1),
    multiple=True,
    default=(0.05, 0.1, 0.25, 0.5),
    help="Of the backlog's speed, as a steady flow; repeatable.",
)
@click.option("--json", "is_json", is_flag=True, help="Print JSON, and no table.")
def main(
    agents: int,
    results: int,
    seconds: float,
    of_speed: tuple[float, ...],
    is_json: bool,
) -> None:
    """Measure the bare COPY, then a backlog, then steady flows; print a table."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    beside = conditions()
    with temporary_home() as directory:
        bench = Bench(directory, agents, results, seconds, of_speed)
        rows = bench.run()
    headings = (
        *("what", "results", "results/s", "to COPY"),
        *("collector, us", "database, us", "agents, us"),
    )
    if is_json:
        found = {
            "latency_ms": bench.latency_ms,
            "sent_ms": bench.sent_ms,
            "stages": bench.stages,
            "memory_mb": bench.memory_mb,
        }
        print(json.dumps({"beside": beside, "rows": rows, **found}))
        return
    show(f"One collector on one core, {agents} agents: {beside}", headings, rows)
    for share, latency_ms in bench.latency_ms.items():
        print(f"\nat {share:.0%} of that, ms from durable to acknowledged: {latency_ms}")
        print(f"  of it until they were sent: {bench.sent_ms[share]}")
        print("  within the collector, share of batches that took no longer than so many s:")
        for stage, of in bench.stages[share].items():
            told = ", ".join(f"{limit:g}: {part:.2%}" for limit, part in of.items() if part < 1)
            print(f"    {stage:10} {told or 'all within the first'}")
    print(f"collector's memory, MB: {bench.memory_mb}")


if __name__ == "__main__":
    main()
