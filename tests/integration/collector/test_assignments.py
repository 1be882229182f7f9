"""What agents are told to probe while the database comes and goes."""

from __future__ import annotations

import asyncio

import psycopg
from psycopg import sql

from collector import db
from tests.support.collector import Collector, enrol, fetch, new_incarnation, stream
from tests.support.database import Database
from tests.support.processes import wait_until

NOW_US = 1_800_000_000_000_000
# Others may wait for the same table.
WAITING = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND starts_with(query, %s)
"""
LOOK = db.queries("delivery")["assigned"].partition("\n")[0]


async def test_a_request_is_kept_when_the_database_goes_away_with_it(
    collector: Collector, database: Database
) -> None:
    """It was taken, and what it is about is being read when the connection is cut."""
    identity = await enrol(collector, "a")
    async with stream(collector, identity) as link:
        await link.hello(new_incarnation())
        [assignment] = (await link.read("assignments")).assignments
        with psycopg.connect(database.url()) as owner:
            owner.execute("LOCK vantage.monitors")
            with psycopg.connect(database.url(), autocommit=True) as asking:
                told = sql.Literal(f"{assignment.monitor.id} {NOW_US} ")
                asking.execute(sql.SQL("NOTIFY vantage_run_now, {}").format(told))
                seen = lambda: fetch(database.url(), WAITING, [LOOK])  # noqa: E731
                await asyncio.to_thread(wait_until, seen, what="the collector's look")
                for waiting in seen():
                    asking.execute("SELECT pg_terminate_backend(%s)", [waiting["pid"]])
                gone = lambda: "assignments_interrupted" in collector.program.said()  # noqa: E731
                await asyncio.to_thread(wait_until, gone, what="the collector's notice")
        assert (await link.read("run_now")).requested_at_us == NOW_US
