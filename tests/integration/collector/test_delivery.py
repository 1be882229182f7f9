"""Batches over real gRPC and TLS into a real TimescaleDB: stored exactly once, or refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest

from collector.assignments import LOOK_EVERY_S
from tests.support.collector import (
    Collector,
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

ALL_SLOTS = "SELECT count(*) AS n, count(DISTINCT slot_at) AS slots FROM vantage.results"
SLOTS = f"{ALL_SLOTS} WHERE agent_id = %s"


@pytest.fixture
def collector(lasting_collector: Collector) -> Collector:
    return lasting_collector


@pytest.fixture
def own_collector(database: Database, tmp_path: Path) -> Iterator[Collector]:
    configure(database.url(), locations=["a", "b"], monitors=2)
    with running_collector(database.url(role="vantage_collector"), tmp_path) as collector:
        yield collector


async def test_a_result_is_stored_as_measured(own_collector: Collector) -> None:
    agent = await enrol(own_collector, "a")
    hop = exchange(
        url="http://127.0.0.1:1/from",
        phases=result_pb2.Phases(dns_us=10, connect_us=20, send_us=30, wait_us=40, receive_us=0),
        total_us=100,
        http_status=302,
    )
    pair = exchange(
        role=result_pb2.EXCHANGE_ROLE_PAIR,
        start_us=5,
        outcome=result_pb2.OUTCOME_DOWN,
        failure="connect_refused",
        detail="refused",
    )
    last = exchange(url="https://127.0.0.1:1/to", cert_expires_at_us=4_102_444_800_000_000)
    async with stream(own_collector, agent) as delivery:
        assert await delivery.hello(new_incarnation()) == 0
        await delivery.batch(
            1, [result(1, 60, exchanges=[pair, hop, last], redirect_us=250, total_us=1_750)]
        )
        assert (await delivery.read("ack")).high_water == 1
    [row] = fetch(own_collector.url, "SELECT * FROM vantage.results")
    assert row["agent_id"] == agent.agent_id
    assert (row["location"], row["monitor_id"], row["outcome"]) == ("a", 1, "up")
    assert (row["redirect_us"], row["dns_us"], row["connect_us"]) == (250, None, 200)
    assert (row["tls_us"], row["send_us"], row["wait_us"]) == (None, 0, 1_000)
    assert (row["receive_us"], row["total_us"], row["redirects"]) == (300, 1_750, 1)
    assert str(row["target_ip"]) == "127.0.0.1"
    assert row["cert_expires_at"].isoformat() == "2100-01-01T00:00:00+00:00"
    assert row["url"] == "https://127.0.0.1:1/to"
    assert (row["started_at"] - row["slot_at"]).microseconds == 300
    pair_row, hop_row = fetch(
        own_collector.url, "SELECT * FROM vantage.exchanges ORDER BY role DESC"
    )
    assert (pair_row["role"], pair_row["hop"], pair_row["start_us"]) == ("pair", 1, 5)
    assert (pair_row["outcome"], pair_row["failure"]) == ("down", "connect_refused")
    assert (pair_row["detail"], pair_row["url"]) == ("refused", pair.url)
    assert (hop_row["role"], hop_row["outcome"], hop_row["failure"]) == ("hop", None, None)
    assert (hop_row["hop"], hop_row["url"], hop_row["http_status"]) == (1, hop.url, 302)
    assert hop_row["slot_at"] == row["slot_at"]


async def test_a_batch_sent_again_is_stored_once(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    incarnation = new_incarnation()
    results = [result(1, slot) for slot in range(10, 0, -1)]
    async with stream(collector, agent) as delivery:
        await delivery.hello(incarnation)
        await delivery.batch(1, results[:6])
        assert (await delivery.read("ack")).high_water == 6
        await delivery.batch(1, results[:6])
        assert (await delivery.read("ack")).high_water == 6
        await delivery.batch(4, results[3:])
        assert (await delivery.read("ack")).high_water == 10
    async with stream(collector, agent) as delivery:
        assert await delivery.hello(incarnation) == 10
    assert fetch(collector.url, SLOTS, [agent.agent_id]) == [{"n": 10, "slots": 10}]


async def test_a_batch_past_the_high_water_is_a_gap(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    async with stream(collector, agent) as delivery:
        await delivery.hello(new_incarnation())
        await delivery.batch(2, [result(1, 5)])
        assert (await delivery.read("gap")).high_water == 0
        await delivery.batch(1, [result(1, 6), result(1, 5)])
        assert (await delivery.read("ack")).high_water == 2
    assert fetch(collector.url, SLOTS, [agent.agent_id]) == [{"n": 2, "slots": 2}]


async def test_what_was_moved_already_is_not_moved_again(collector: Collector) -> None:
    """Though its row was locked: whatever is stored in that transaction goes with it."""
    agent = await enrol(collector, "a")
    incarnation = new_incarnation()
    async with stream(collector, agent) as delivery:
        await delivery.hello(incarnation)
        await delivery.batch(1, [result(1, 5)])
        await delivery.read("ack")
    move = (
        "SELECT vantage.move_high_waters("
        "%s::uuid[], %s::bytea[], %s::bigint[], %s::bigint[], '{9}', '{NULL}')"
    )
    with psycopg.connect(collector.url, autocommit=True) as database:
        for connection, old in ((1, 0), (2, 1)):
            with pytest.raises(psycopg.errors.SerializationFailure, match="1 high waters 1 were"):
                database.execute(move, [[agent.agent_id], [incarnation], [connection], [old]])
        database.execute(move, [[agent.agent_id], [incarnation], [1], [1]])
    async with stream(collector, agent) as delivery:
        assert await delivery.hello(incarnation) == 9


async def test_the_older_of_two_connections_is_fenced(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    incarnation = new_incarnation()
    async with stream(collector, agent) as old, stream(collector, agent) as new:
        await old.hello(incarnation)
        await old.batch(1, [result(1, 9)])
        await old.read("ack")
        assert await new.hello(incarnation) == 1
        await old.batch(2, [result(1, 8)])
        await old.read("fenced")
        await new.batch(2, [result(1, 8)])
        assert (await new.read("ack")).high_water == 2
    assert fetch(collector.url, SLOTS, [agent.agent_id]) == [{"n": 2, "slots": 2}]


async def test_incarnations_count_apart(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    async with stream(collector, agent) as delivery:
        for slot in (3, 2):
            incarnation = new_incarnation()
            assert await delivery.hello(incarnation) == 0
            await delivery.batch(1, [result(1, slot)])
            assert (await delivery.read("ack")).high_water == 1
            await delivery.send(close=delivery_pb2.Close(incarnation=incarnation))
        closed = "SELECT count(closed_at) AS n FROM vantage.incarnations WHERE agent_id = %s"
        async with asyncio.timeout(10):
            while fetch(collector.url, closed, [agent.agent_id]) != [{"n": 2}]:
                await asyncio.sleep(0.02)


BAD = {
    "not a vantage.v1.Result": b"\xff\xff\xff",
    "it has 0 exchanges": result(1, 5, exchanges=[]),
    "its phases do not sum to total_us": result(1, 5, total_us=1_499),
    "monitor 99 is not probed from a": result(99, 5),
    "outcome up with failure dns_nxdomain": result(1, 5, failure="dns_nxdomain"),
    "detail holds a NUL character": result(
        1, 5, outcome=result_pb2.OUTCOME_DOWN, failure="other", detail="a\0b"
    ),
    "slot_at_us is 9000000000000000000, which no sound clock says": result(
        1, 5, slot_at_us=9_000_000_000_000_000_000
    ),
    "http_status is 70000": result(1, 5, exchanges=[exchange(http_status=70_000)]),
    "an address of 3 bytes": result(1, 5, exchanges=[exchange(target_ip=b"abc")]),
}


async def test_bad_results_are_quarantined_and_the_others_stored(own_collector: Collector) -> None:
    agent = await enrol(own_collector, "a")
    batch = [payload for bad in BAD.values() for payload in (bad, None)]
    results = [
        payload if payload is not None else result(1, 1000 + number)
        for number, payload in enumerate(batch)
    ]
    async with stream(own_collector, agent) as delivery:
        await delivery.hello(new_incarnation())
        await delivery.batch(1, results)
        assert (await delivery.read("ack")).high_water == len(results)
    assert fetch(own_collector.url, ALL_SLOTS) == [{"n": len(BAD), "slots": len(BAD)}]
    refused = fetch(own_collector.url, "SELECT * FROM vantage.quarantine ORDER BY seq")
    assert [row["reason"] for row in refused] == list(BAD)
    assert [row["seq"] for row in refused] == list(range(1, 2 * len(BAD), 2))
    assert [row["payload"] for row in refused] == list(BAD.values())
    # As far as it can be read, so that it goes when the account does.
    assert [row["reason"] for row in refused if row["monitor_id"] is None] == [
        "not a vantage.v1.Result"
    ]


async def test_what_only_the_database_refuses_is_found_and_quarantined(
    own_collector: Collector,
) -> None:
    """A constraint that wire.py does not know: the COPY fails, one result is to blame."""
    execute(
        own_collector,
        "ALTER TABLE vantage.results ADD CONSTRAINT surprise CHECK (header_bytes <> 13)",
    )
    agent = await enrol(own_collector, "a")
    poison = result(1, 500, exchanges=[exchange(header_bytes=13)])
    results = [*(result(1, slot) for slot in range(7)), poison, result(1, 8)]
    async with stream(own_collector, agent) as delivery:
        await delivery.hello(new_incarnation())
        await delivery.batch(1, results)
        assert (await delivery.read("ack")).high_water == 9
    assert fetch(own_collector.url, ALL_SLOTS) == [{"n": 8, "slots": 8}]
    [row] = fetch(own_collector.url, "SELECT * FROM vantage.quarantine")
    assert (row["seq"], row["monitor_id"], row["payload"]) == (8, 1, poison)
    assert "surprise" in row["reason"]


async def test_results_of_a_monitor_added_this_moment_are_welcome(own_collector: Collector) -> None:
    """Although which monitors there are is read once a second."""
    agent = await enrol(own_collector, "a")
    async with stream(own_collector, agent) as delivery:
        await delivery.hello(new_incarnation())
        await delivery.batch(1, [result(99, 5)])  # of none: they are read, just now
        assert (await delivery.read("ack")).high_water == 1
        execute(
            own_collector,
            "INSERT INTO vantage.monitors (account_id, name, url, interval_s, timeout_us)"
            " SELECT account_id, 'new', url, interval_s, timeout_us"
            " FROM vantage.monitors WHERE id = 1",
        )
        execute(
            own_collector,
            "INSERT INTO vantage.monitor_locations (monitor_id, location)"
            " SELECT id, 'a' FROM vantage.monitors WHERE name = 'new'",
        )
        [row] = fetch(own_collector.url, "SELECT id FROM vantage.monitors WHERE name = 'new'")
        await delivery.batch(2, [result(row["id"], 5)])
        assert (await delivery.read("ack")).high_water == 2
    assert fetch(own_collector.url, ALL_SLOTS) == [{"n": 1, "slots": 1}]


async def test_many_agents_at_once(own_collector: Collector) -> None:
    agents = [await enrol(own_collector, "ab"[number % 2]) for number in range(6)]

    async def deliver(number: int) -> None:
        async with stream(own_collector, agents[number]) as delivery:
            await delivery.hello(new_incarnation())
            for first in range(1, 401, 40):
                await delivery.batch(
                    first, [result(2, number * 1000 + first + i) for i in range(40)]
                )
            while (await delivery.read("ack")).high_water < 400:
                pass

    await asyncio.gather(*map(deliver, range(6)))
    assert fetch(own_collector.url, ALL_SLOTS) == [{"n": 2400, "slots": 2400}]


async def test_assignments_come_at_once_and_on_change(own_collector: Collector) -> None:
    agent = await enrol(own_collector, "b")
    async with stream(own_collector, agent) as delivery:
        await delivery.hello(new_incarnation())
        first = await delivery.read("assignments")
        assert [a.monitor.id for a in first.assignments] == [1, 2]
        assert first.assignments[0].monitor.interval_us == 60_000_000
        assert not first.assignments[0].monitor.HasField("slow_us")
        [row] = fetch(own_collector.url, "SELECT vantage.slot_offset_us(1, 'b', 60) AS offset_us")
        assert first.assignments[0].offset_us == row["offset_us"]
        loop = asyncio.get_running_loop()
        before = loop.time()
        execute(own_collector, "UPDATE vantage.monitors SET removed_at = now() WHERE id = 1")
        second = await delivery.read("assignments")
        assert [a.monitor.id for a in second.assignments] == [2]
        assert loop.time() - before < LOOK_EVERY_S


async def test_changes_reach_agents_of_every_collector_at_once(
    own_collector: Collector, tmp_path: Path
) -> None:
    """Five in a row, in less time than the looks would take that happen anyway."""
    other_directory = tmp_path / "other"
    other_directory.mkdir()
    (other_directory / "authority").symlink_to(own_collector.directory / "authority")
    one, two = await enrol(own_collector, "a"), await enrol(own_collector, "b")
    with running_collector(own_collector.url, other_directory) as other:
        async with stream(own_collector, one) as first, stream(other, two) as second:
            await first.read("assignments")
            await second.read("assignments")
            async with asyncio.timeout(3 * LOOK_EVERY_S):
                for slow_us in range(1, 6):
                    execute(own_collector, f"UPDATE vantage.monitors SET slow_us = {slow_us}")
                    for delivery in (first, second):
                        told = await delivery.read("assignments")
                        assert {a.monitor.slow_us for a in told.assignments} == {slow_us}


async def test_one_of_two_agents_of_a_location_runs_a_monitor(own_collector: Collector) -> None:
    """Every slot is one agent's: the first has all, until those of the second begin."""
    one, two = await enrol(own_collector, "a"), await enrol(own_collector, "a")
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(stream(own_collector, one))
        alone = await first.read("assignments")
        assert [(a.monitor.id, a.until_slot_us) for a in alone.assignments] == [(1, 0), (2, 0)]
        assert not alone.is_shared
        before_us = time.time_ns() // 1000
        second = await stack.enter_async_context(stream(own_collector, two))
        moved = {a.monitor.id: a for a in (await second.read("assignments")).assignments}
        shared = await first.read("assignments")
        assert shared.is_shared
        assert [a.monitor.id for a in shared.assignments] == [1, 2]
        for kept in shared.assignments:
            if kept.monitor.id in moved:
                from_us = moved[kept.monitor.id].from_slot_us
                assert kept.until_slot_us == from_us >= before_us + 5_000_000
                assert moved[kept.monitor.id].until_slot_us == 0
            else:
                assert kept.until_slot_us == 0


async def test_a_revoked_agent_is_cut_off_within_seconds(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    async with stream(collector, agent) as delivery:
        await delivery.hello(new_incarnation())
        execute(collector, "UPDATE vantage.agents SET revoked_at = now()")
        await delivery.batch(1, [result(1, 5)])
        assert await delivery.ended() == grpc.StatusCode.PERMISSION_DENIED
    assert fetch(collector.url, SLOTS, [agent.agent_id]) == [{"n": 0, "slots": 0}]
    async with stream(collector, agent) as delivery:
        assert await delivery.ended() == grpc.StatusCode.PERMISSION_DENIED


async def test_a_stream_without_our_certificate_is_refused(collector: Collector) -> None:
    credentials = grpc.ssl_channel_credentials(collector.authority)
    address = f"127.0.0.1:{collector.port}"
    options = (("grpc.ssl_target_name_override", "collector.vantage.internal"),)
    async with grpc.aio.secure_channel(address, credentials, options) as channel:
        renew: Any = channel.unary_unary("/vantage.v1.Renewal/Renew")
        with pytest.raises((grpc.aio.AioRpcError, TimeoutError)):
            async with asyncio.timeout(5):
                await renew(b"")


async def test_batches_before_hello_are_refused(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    async with stream(collector, agent) as delivery:
        await delivery.batch(1, [result(1, 5)])
        assert await delivery.ended() == grpc.StatusCode.FAILED_PRECONDITION
