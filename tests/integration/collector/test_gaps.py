"""Slots without a result: told in sequence, stored once, and accounted for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.collector import (
    BEGAN_S,
    Collector,
    configure,
    enrol,
    fetch,
    missed,
    new_incarnation,
    result,
    running_collector,
    stream,
)
from tests.support.database import Database


@pytest.fixture
def collector(database: Database, tmp_path: Path) -> Iterator[Collector]:
    configure(database.url(), monitors=2)
    with running_collector(database.url(role="vantage_collector"), tmp_path) as collector:
        yield collector


async def test_missed_slots_are_stored_once_as_a_gap(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    batch = [
        result(1, 9),
        missed(8, 4, 5, reason="overloaded"),
        missed(3, 3, 1, reason="overlap"),
        missed(8, 4, 6, reason="overloaded"),  # more than can be
        missed(8, 4, 5, reason="overloaded", monitor_id=99),
    ]
    async with stream(collector, agent) as delivery:
        await delivery.hello(new_incarnation())
        for _ in range(2):
            await delivery.batch(1, batch)
            assert (await delivery.read("ack")).high_water == 5
    gaps = fetch(
        collector.url,
        "SELECT monitor_id, location, agent_id, slots, reason, detail,"
        " extract(epoch FROM to_slot_at - from_slot_at)::integer AS seconds FROM vantage.gaps"
        " ORDER BY from_slot_at",
    )
    common = {"monitor_id": 1, "location": "a", "agent_id": agent.agent_id, "detail": None}
    assert gaps == [
        {**common, "slots": 5, "reason": "overloaded", "seconds": 4},
        {**common, "slots": 1, "reason": "overlap", "seconds": 0},
    ]
    assert fetch(collector.url, "SELECT count(*) AS n FROM vantage.results") == [{"n": 1}]
    assert fetch(collector.url, "SELECT seq FROM vantage.quarantine ORDER BY seq") == [
        {"seq": 4},
        {"seq": 5},
    ]


async def test_every_slot_that_was_due_is_accounted_for(
    collector: Collector, database: Database
) -> None:
    with psycopg.connect(database.url()) as owner:
        owner.execute("UPDATE vantage.monitors SET interval_s = 1")
        owner.execute(
            "UPDATE vantage.monitor_definitions SET valid_from_at = now() - INTERVAL '1 day'"
            " WHERE valid_to_at IS NULL"
        )
    agent = await enrol(collector, "a")
    batch = [
        *(result(1, slot) for slot in range(100, 60, -1)),
        result(1, 70, is_extra=True),
        missed(60, 31, 30, reason="overloaded"),
        missed(30, 21, 4, reason="overlap"),
        missed(12, 5, 8, reason="overloaded"),
    ]
    async with stream(collector, agent) as delivery:
        await delivery.hello(new_incarnation())
        await delivery.batch(1, batch)
        assert (await delivery.read("ack")).high_water == len(batch)
    # The slots of the range: 100 to 11 seconds ago.
    account = (
        "SELECT account, slots FROM vantage.slots_accounted(1, 'a', to_timestamp(%s - 100),"
        " to_timestamp(%s - 10)) ORDER BY account"
    )
    rows = fetch(collector.url, account, [BEGAN_S, BEGAN_S])
    assert {row["account"]: row["slots"] for row in rows} == {
        "agent_down": 90 - 40 - 32 - 4,
        "overlap": 4,
        "overloaded": 32,
        "run": 40,
    }
