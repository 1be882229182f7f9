"""Collectors keep the rollups of what they store, one of them at a time, whichever lives."""

from __future__ import annotations

from pathlib import Path

import psycopg

from tests.support.collector import (
    Collector,
    configure,
    enrol,
    fetch,
    new_incarnation,
    result,
    running_collector,
    stream,
)
from tests.support.database import Database
from tests.support.processes import wait_until

LEADERS = """
SELECT pid FROM pg_locks
WHERE locktype = 'advisory' AND objid = hashtext('vantage.upkeep')::bigint & 4294967295
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
SUMS = """
SELECT
    (SELECT sum(run) FROM vantage.rollups_1h) AS hours,
    (SELECT sum(run) FROM vantage.results_1d) AS days,
    (SELECT vantage.histogram_count(vantage.merge(total_histogram))
     FROM vantage.rollups_1h) AS timed,
    (SELECT batches FROM vantage.rollup_backlog) AS backlog
"""


async def deliver(collector: Collector, slots: range) -> None:
    """Two batches under way at one time, so that they may share a transaction."""
    agent = await enrol(collector, "a")
    async with stream(collector, agent) as delivery:
        await delivery.hello(new_incarnation())
        half = len(slots) // 2
        for first, part in ((1, slots[:half]), (half + 1, slots[half:])):
            await delivery.batch(first, [result(1 + slot % 2, slot // 2) for slot in part])
        while (await delivery.read("ack")).high_water < len(slots):
            pass


async def test_another_collector_goes_on_where_one_died(database: Database, tmp_path: Path) -> None:
    configure(database.url(), monitors=2)
    url = database.url(role="vantage_collector")

    def sums() -> tuple[int, ...]:
        return tuple(fetch(url, SUMS)[0].values())

    places = [tmp_path / "one", tmp_path / "two"]
    for place in places:
        place.mkdir()
    with running_collector(url, places[0]) as first:
        wait_until(lambda: fetch(url, LEADERS), what="a leader")
        with running_collector(url, places[1]) as second:
            await deliver(second, range(3_000))
            wait_until(lambda: sums() == (3_000, 3_000, 3_000, 0), what="the rollups")
            assert len(fetch(url, LEADERS)) == 1
            first.program.kill()
            await deliver(second, range(500))
            wait_until(lambda: sums() == (3_500, 3_500, 3_500, 0), what="the new leader's rollups")


async def test_what_came_too_late_for_its_monitor_is_forgotten(
    database: Database, tmp_path: Path
) -> None:
    configure(database.url(), monitors=2)
    with psycopg.connect(database.url(), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO vantage.quarantine"
            " (agent_id, incarnation, seq, received_at, reason, payload, monitor_id)"
            " SELECT gen_random_uuid(), '', 1, now() - age::interval, '', '', monitor_id"
            " FROM (VALUES (1, '13 h'), (4711, '13 h'), (4712, '11 h'), (NULL, '13 h'))"
            " AS bad (monitor_id, age)"
        )
        with running_collector(database.url(role="vantage_collector"), tmp_path):
            wait_until(
                lambda: (
                    connection.execute(
                        "SELECT array_agg(monitor_id ORDER BY monitor_id) FROM vantage.quarantine"
                    ).fetchone()
                    == ([1, 4712, None],)
                ),
                what="the row of the monitor that is gone",
            )
