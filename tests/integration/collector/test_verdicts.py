"""Verdicts by real collectors: an outage confirmed at once, and what outlives its judge."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from collector import db
from collector.clock import now_us
from collector.verdicts.judgement import Judgement
from tests.support.collector import (
    Collector,
    Stream,
    configure,
    enrol,
    exchange,
    execute,
    fetch,
    new_incarnation,
    result,
    running_collector,
    stream,
)
from tests.support.database import Database
from vantage.v1 import delivery_pb2, result_pb2

LEADERS = """
SELECT pid FROM pg_locks
WHERE locktype = 'advisory' AND objid = hashtext('vantage.verdicts')::bigint & 4294967295
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
REFUSED = {
    "outcome": result_pb2.OUTCOME_DOWN,
    "failure": "connect_refused",
    "detail": "Connection refused",
    "total_us": 700,
    "exchanges": [
        exchange(
            phases=result_pb2.Phases(dns_us=500, connect_us=200), total_us=700, http_status=None
        )
    ],
}


class Probing:
    """An agent's side that answers every request to run a monitor, as its target is."""

    def __init__(self, delivery: Stream) -> None:
        self.delivery = delivery
        self.is_down = False
        self.seq = 0
        self.writing = asyncio.Lock()  # gRPC takes one write at a time

    async def deliver(self, monitor_id: int, slot_at_us: int, **more: Any) -> None:
        changes = {**(REFUSED if self.is_down else {}), "slot_at_us": slot_at_us, **more}
        async with self.writing:
            self.seq += 1
            await self.delivery.batch(self.seq, [result(monitor_id, 0, **changes)])

    async def answer(self) -> None:
        while True:
            run = await self.delivery.read("run_now")
            await self.deliver(run.monitor_id, run.requested_at_us, is_extra=True)

    async def beat(self) -> None:
        while True:
            async with self.writing:
                await self.delivery.send(heartbeat=delivery_pb2.Heartbeat())
            await asyncio.sleep(1)


@asynccontextmanager
async def probing(collector: Collector, location: str) -> AsyncIterator[Probing]:
    identity = await enrol(collector, location)
    async with stream(collector, identity) as delivery:
        await delivery.hello(new_incarnation())
        agent = Probing(delivery)
        tasks = [asyncio.create_task(agent.answer()), asyncio.create_task(agent.beat())]
        try:
            yield agent
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def until(url: str, statement: str, wanted: Sequence[Any], *, seconds: float = 60) -> None:
    """Wait until a statement's rows are as wanted, while the agents go on."""
    deadline = time.monotonic() + seconds
    while True:
        found = [tuple(row.values()) for row in fetch(url, statement)]
        if found == list(wanted):
            return
        assert time.monotonic() < deadline, f"{found} is not {wanted}"
        await asyncio.sleep(0.1)


async def test_an_outage_is_confirmed_at_once_and_outlives_a_frozen_collector(
    database: Database, tmp_path: Path
) -> None:
    configure(database.url(), locations=("a", "b", "c", "unmanned"))
    url = database.url(role="vantage_collector")
    places = [tmp_path / "one", tmp_path / "two"]
    for place in places:
        place.mkdir()
    with running_collector(url, places[0]) as first:
        execute(first, "UPDATE vantage.alert_rules SET closes_after_s = 1")
        await until(url, f"SELECT count(*) FROM ({LEADERS}) AS leaders", [(1,)])
        with running_collector(url, places[1]) as second:
            async with (
                probing(second, "a") as a,
                probing(second, "b") as b,
                probing(second, "c") as c,
            ):
                for agent in (a, b, c):
                    await agent.deliver(1, now_us())
                await until(url, "SELECT state, voting FROM vantage.verdicts", [("up", 3)])
                a.is_down = b.is_down = True
                failed_at = time.monotonic()
                await a.deliver(1, now_us())
                await until(
                    url,
                    "SELECT severity, cause, closed_at IS NULL FROM vantage.incidents",
                    [("down", "connect_refused", True)],
                )
                assert time.monotonic() - failed_at < 20
                await until(
                    url,
                    "SELECT state, failing FROM vantage.verdicts",
                    [
                        ("down", ["a", "b"]),
                    ],
                )
                [incident] = fetch(url, "SELECT * FROM vantage.incidents")
                assert incident["summary"] == (
                    "Connection refused from 2 of 3 locations (A and B)."
                )
                assert incident["failing_since_at"] == incident["began_at"]
                evidence = fetch(url, "SELECT * FROM vantage.incident_evidence ORDER BY 2, 3")
                assert [(row["location"], row["which"]) for row in evidence] == [
                    ("a", "first"),
                    ("a", "last"),
                    ("b", "first"),
                    ("b", "last"),
                ]
                assert {
                    (row["failure"], row["failed_phase"], str(row["target_ip"])) for row in evidence
                } == {("connect_refused", "connect", "127.0.0.1")}
                assert evidence[0]["slot_at"] == incident["began_at"]
                assert incident["assigned"] == 3

                # A judge that stands still must not keep the others from judging.
                os.kill(first.program.pid, signal.SIGSTOP)
                a.is_down = b.is_down = False
                try:
                    for agent in (a, b):
                        await agent.deliver(1, now_us())
                    await until(
                        url,
                        "SELECT kind FROM vantage.incident_events ORDER BY id",
                        [("opened",), ("recovered",), ("closed",)],
                    )
                finally:
                    os.kill(first.program.pid, signal.SIGCONT)
                evidence = fetch(
                    url, "SELECT location FROM vantage.incident_evidence WHERE which = 'well'"
                )
                assert [row["location"] for row in evidence] == ["a", "b"]
                assert fetch(url, "SELECT FROM vantage.location_troubles") == []

        # Gone without a word, all of a location's agents are a trouble of its own.
        await until(
            url,
            "SELECT location, kind FROM vantage.location_troubles ORDER BY location",
            [("a", "silent"), ("b", "silent"), ("c", "silent")],
        )
        await until(url, "SELECT state FROM vantage.verdicts", [("unknown",)])


async def test_another_collector_judges_soon_after_one_was_killed(
    database: Database, tmp_path: Path
) -> None:
    configure(database.url(), locations=("a", "b", "c"))
    url = database.url(role="vantage_collector")
    places = [tmp_path / "one", tmp_path / "two"]
    for place in places:
        place.mkdir()
    with running_collector(url, places[0]) as first:
        await until(url, f"SELECT count(*) FROM ({LEADERS}) AS leaders", [(1,)])
        with running_collector(url, places[1]) as second:
            async with (
                probing(second, "a") as a,
                probing(second, "b") as b,
                probing(second, "c") as c,
            ):
                for agent in (a, b, c):
                    await agent.deliver(1, time.time_ns() // 1000)
                await until(url, "SELECT state, voting FROM vantage.verdicts", [("up", 3)])
                a.is_down = b.is_down = True
                os.kill(first.program.pid, signal.SIGKILL)
                killed_at = time.monotonic()
                await a.deliver(1, time.time_ns() // 1000)
                await until(
                    url, "SELECT kind FROM vantage.incident_events", [("opened",)], seconds=30
                )
                took_s = time.monotonic() - killed_at
                print(f"From the kill to the incident of a failure after it: {took_s:.1f} s.")
                a.is_down = b.is_down = False
                for agent in (a, b):
                    await agent.deliver(1, time.time_ns() // 1000)
                await until(
                    url,
                    "SELECT count(*) FROM vantage.incident_events WHERE kind = 'recovered'",
                    [(1,)],
                )
                a.is_down = b.is_down = True
                await a.deliver(1, time.time_ns() // 1000)
                await until(
                    url,
                    "SELECT detail, incident_events.failing_since_at > began_at"
                    " FROM vantage.incident_events JOIN vantage.incidents ON incidents.id ="
                    " incident_id WHERE kind = 'relapsed' OR kind = 'reopened'",
                    [("Connection refused from 2 of 3 locations (A and B).", True)],
                )
                await until(url, f"SELECT count(*) FROM ({LEADERS}) AS leaders", [(1,)])


AGENTS = """
INSERT INTO vantage.agents (id, location, name, certificate_expires_at, takes_from, last_seen_at)
SELECT md5(location)::uuid, location, 'agent', now() + INTERVAL '1 day', now(), now()
FROM unnest('{a,b}'::text[]) AS location
"""
SLOW_RESULTS = """
INSERT INTO vantage.results (slot_at, started_at, received_at, body_bytes, monitor_id, total_us,
    redirect_us, connect_us, tls_us, send_us, wait_us, receive_us, delay_us, lag_us, header_bytes,
    target_port, outcome, agent_id, http_status, redirects, suspect, location)
SELECT slot_at, slot_at, slot_at, 0, 1, 100000, 0, 2000, 93000, 0, 4000, 1000, 0, 0, 0, 443,
    'up', md5(location)::uuid, 200, 0, false, location
FROM unnest('{a,b}'::text[]) AS location
CROSS JOIN generate_series(now() - INTERVAL '14 min', now(), INTERVAL '1 min') AS slot_at
"""
USUALLY = """
INSERT INTO vantage.baselines (hour_at, monitor_id, location, phase, weeks, results, usual_us,
    spread_us)
SELECT date_bin('1 hour', now(), 'epoch') + other * INTERVAL '1 hour', 1, location, 'tls', 6, 360,
    30000, 5000
FROM unnest('{a,b}'::text[]) AS location CROSS JOIN generate_series(-1, 1) AS other
"""


async def test_slower_than_usual_opens_an_incident_that_says_by_how_much(
    database: Database, tmp_path: Path
) -> None:
    configure(database.url(), locations=("a", "b"))
    url = database.url(role="vantage_collector")
    for statement in (
        "UPDATE vantage.alert_rules SET slower_factor = 3, slower_phase = 'tls'",
        AGENTS,
        SLOW_RESULTS,
        USUALLY,
    ):
        with psycopg.connect(database.url(), autocommit=True) as connection:
            connection.execute(statement)
    with running_collector(url, tmp_path):
        await until(
            url,
            "SELECT severity, cause FROM vantage.incidents",
            [("degraded", "slower_than_usual")],
        )
        [incident] = fetch(url, "SELECT * FROM vantage.incidents")
        assert incident["summary"].startswith(
            "TLS handshake takes up to 3.1 times its usual time from 2 of 2 locations (A and B)"
        )
        assert incident["opened_at"] - incident["began_at"] == timedelta(minutes=15)
        [verdict] = fetch(url, "SELECT * FROM vantage.verdicts")
        assert (verdict["state"], verdict["slower"]) == ("degraded", ["a", "b"])
        evidence = fetch(url, "SELECT location, which FROM vantage.incident_evidence ORDER BY 1, 2")
        assert [tuple(row.values()) for row in evidence] == [
            ("a", "first"),
            ("a", "last"),
            ("b", "first"),
            ("b", "last"),
        ]


async def test_an_agent_whose_clock_is_off_has_no_vote(database: Database) -> None:
    configure(database.url(), locations=("a", "b"))
    with psycopg.connect(database.url(), autocommit=True) as owner:
        owner.execute(AGENTS)
    async with await db.connect(database.url(role="vantage_collector")) as connection:
        judgement = Judgement(connection)
        for is_off, verdict in ((True, ("unknown", ("b",))), (False, ("down", ("a", "b")))):
            await connection.execute(
                "UPDATE vantage.agents SET is_clock_off = %s WHERE location = 'a'", [is_off]
            )
            await judgement.configure()
            slots = [now_us() - back * 1000 for back in (3, 2, 1)]
            for location in ("a", "b"):
                await connection.execute(
                    "INSERT INTO vantage.arrivals (agent_id, location, monitor_ids, slots_at_us,"
                    " outcomes) VALUES (md5(%(location)s)::uuid, %(location)s, '{1,1,1}',"
                    " %(slots)s, '{down,down,down}')",
                    {"location": location, "slots": slots},
                )
            assert await judgement.hear() == 6
            judgement.judge.judge(now_us())
            found = judgement.judge.verdicts[1]
            assert (found.state, found.failing) == verdict


def test_what_comes_at_once_is_heard_in_steps(database: Database) -> None:
    """A region that comes back brings a hundred thousand results within seconds."""
    with psycopg.connect(database.url(), autocommit=True, row_factory=dict_row) as connection:
        for results in (1_500, 1_500, 1_500, 10):
            connection.execute(
                "INSERT INTO vantage.arrivals"
                " (agent_id, location, monitor_ids, slots_at_us, outcomes)"
                " VALUES (gen_random_uuid(), 'a', %s, %s, %s)",
                [[1] * results, [1] * results, ["up"] * results],
            )
        steps = []
        while rows := connection.execute(db.queries("verdicts")["arrivals"]).fetchall():
            steps.append([len(row["monitor_ids"]) for row in rows])
    assert steps == [[1_500, 1_500], [1_500, 10]]
