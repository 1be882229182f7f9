"""Results declared lost, databases restored, agents copied: what the collector makes of it."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import grpc
import pytest

from tests.support.collector import (
    BEGAN_S,
    Collector,
    Identity,
    Stream,
    enrol,
    execute,
    fetch,
    missed,
    new_incarnation,
    result,
    stream,
)
from vantage.v1 import delivery_pb2

SKIPS = "SELECT from_seq, to_seq, reason FROM vantage.skips WHERE agent_id = %s ORDER BY from_seq"
EVENTS = "SELECT kind, detail FROM vantage.agent_events WHERE agent_id = %s ORDER BY id"


@pytest.fixture
def collector(lasting_collector: Collector) -> Collector:
    return lasting_collector


@pytest.fixture
async def agent(collector: Collector) -> Identity:
    return await enrol(collector, "a")


async def skip(delivery: Stream, first: int, last: int, reason: str = "spool_full") -> None:
    message = delivery_pb2.Skip(from_seq=first, to_seq=last, reason=reason)
    await delivery.send(skip=message)


async def hello(delivery: Stream, incarnation: bytes, **fields: Any) -> delivery_pb2.Welcome:
    await delivery.send(hello=delivery_pb2.Hello(incarnation=incarnation, **fields))
    welcome: delivery_pb2.Welcome = await delivery.read("welcome")
    return welcome


async def test_a_loss_is_stored_once_and_moves_the_high_water(
    collector: Collector, agent: Identity
) -> None:
    incarnation = new_incarnation()
    async with stream(collector, agent) as delivery:
        assert (await hello(delivery, incarnation)).takes_skips
        await delivery.batch(1, [result(1, 9), result(1, 8)])
        await skip(delivery, 3, 10)
        await skip(delivery, 2, 12, "spool_damaged")  # from before what is stored to behind it
        await skip(delivery, 1, 12)
        await delivery.batch(13, [result(1, 7)])
        acks = [(await delivery.read("ack")).high_water for _ in range(5)]
    assert acks == [2, 10, 12, 12, 13]
    assert fetch(collector.url, SKIPS, [agent.agent_id]) == [
        {"from_seq": 3, "to_seq": 10, "reason": "spool_full"},
        {"from_seq": 11, "to_seq": 12, "reason": "spool_damaged"},
    ]
    stored = "SELECT count(*) AS n FROM vantage.results WHERE agent_id = %s"
    assert fetch(collector.url, stored, [agent.agent_id]) == [{"n": 3}]


async def test_a_loss_past_the_high_water_is_a_gap(collector: Collector, agent: Identity) -> None:
    async with stream(collector, agent) as delivery:
        await hello(delivery, new_incarnation())
        await skip(delivery, 2, 3)
        assert (await delivery.read("gap")).high_water == 0
    assert fetch(collector.url, SKIPS, [agent.agent_id]) == []


@pytest.mark.parametrize(
    ("first", "last", "reason"),
    [
        (0, 1, "spool_full"),
        (2, 1, "spool_full"),
        (1, 2**62 + 1, "spool_full"),
        (1, 2, ""),
        (1, 2, "Not a code"),
    ],
)
async def test_an_impossible_loss_is_refused(
    collector: Collector, agent: Identity, first: int, last: int, reason: str
) -> None:
    async with stream(collector, agent) as delivery:
        await hello(delivery, new_incarnation())
        await skip(delivery, first, last, reason)
        assert await delivery.ended() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_loss_before_hello_is_refused(collector: Collector, agent: Identity) -> None:
    async with stream(collector, agent) as delivery:
        await skip(delivery, 1, 2)
        assert await delivery.ended() == grpc.StatusCode.FAILED_PRECONDITION


async def test_the_welcome_tells_the_last_result_from_any_other(
    collector: Collector, agent: Identity
) -> None:
    incarnation = new_incarnation()
    last = result(1, 8)
    async with stream(collector, agent) as delivery:
        assert not (await hello(delivery, incarnation)).HasField("payload_crc32")
        await delivery.batch(1, [result(1, 9), last])
        await delivery.read("ack")
        assert (await hello(delivery, incarnation)).payload_crc32 == zlib.crc32(last)
        await skip(delivery, 3, 4)
        await delivery.read("ack")
        assert not (await hello(delivery, incarnation)).HasField("payload_crc32")


async def test_what_may_be_stored_and_is_is_left_out(collector: Collector, agent: Identity) -> None:
    """Results, gaps, and what is neither, delivered before under another incarnation."""
    again = BEGAN_S * 1_000_000
    before = [result(1, 20), missed(40, 30), result(99, 19), b"\xff", result(1, 18)]
    new = [
        result(1, 20, started_at_us=again),
        result(1, 17),
        missed(40, 29),
        result(99, 16),
        b"\xfe",
    ]
    async with stream(collector, agent) as delivery:
        await hello(delivery, new_incarnation())
        await delivery.batch(1, before)
        await delivery.read("ack")
        assert (await hello(delivery, new_incarnation())).knows_stored
        mixed = [each for both in zip(before, new, strict=True) for each in both]
        for payloads in (mixed[:4], mixed):  # the second time as if no answer had come
            await delivery.send(
                batch=delivery_pb2.Batch(first_seq=1, results=payloads, may_be_stored=True)
            )
            assert (await delivery.read("ack")).high_water == len(payloads)
    for table, count in (("results", 4), ("gaps", 2), ("quarantine", 4)):
        rows = fetch(
            collector.url, f"SELECT FROM vantage.{table} WHERE agent_id = %s", [agent.agent_id]
        )
        assert (table, len(rows)) == (table, count)


async def test_a_restored_database_is_noticed_by_what_the_agent_knows(
    collector: Collector, agent: Identity
) -> None:
    async with stream(collector, agent) as delivery:
        await hello(delivery, new_incarnation(), acked=7)
        await hello(delivery, new_incarnation(), acked=0)
    [event] = fetch(collector.url, EVENTS, [agent.agent_id])
    assert event["kind"] == "database_restored"
    assert "told that 7 results" in event["detail"]


async def test_an_incarnation_that_was_replaced_cannot_run_again(
    collector: Collector, agent: Identity
) -> None:
    """A copy of a running machine connects again after the other went on to a new incarnation."""
    first, second = new_incarnation(), new_incarnation()
    async with stream(collector, agent) as delivery:
        await hello(delivery, first, is_running=True)
        await hello(delivery, second, is_running=True)
        await hello(delivery, first)  # sealed: to be delivered to its end
        async with stream(collector, agent) as copy:
            await copy.send(hello=delivery_pb2.Hello(incarnation=first, is_running=True))
            assert await copy.ended() == grpc.StatusCode.PERMISSION_DENIED
            assert "one is a copy of the other" in await copy.call.details()
        await delivery.batch(1, [result(1, 9)])
        assert (await delivery.read("ack")).high_water == 1
    assert [event["kind"] for event in fetch(collector.url, EVENTS, [agent.agent_id])] == [
        "copy_refused"
    ]


async def test_of_two_machines_that_are_one_agent_the_older_is_refused(
    collector: Collector, agent: Identity
) -> None:
    async with stream(collector, agent) as old, stream(collector, agent) as new:
        await hello(old, new_incarnation(), is_running=True)
        await old.send(heartbeat=delivery_pb2.Heartbeat())
        await hello(new, new_incarnation(), is_running=True)

        async def beat() -> None:
            while True:
                for delivery in (old, new):
                    await delivery.send(heartbeat=delivery_pb2.Heartbeat())
                await asyncio.sleep(0.2)

        beating = asyncio.ensure_future(beat())
        assert await old.ended() == grpc.StatusCode.PERMISSION_DENIED
        beating.cancel()
        await new.batch(1, [result(1, 9)])
        assert (await new.read("ack")).high_water == 1
    assert [event["kind"] for event in fetch(collector.url, EVENTS, [agent.agent_id])] == [
        "copy_refused"
    ]


async def test_events_of_an_agent_are_kept(collector: Collector, agent: Identity) -> None:
    async with stream(collector, agent) as delivery:
        for kind in ("copy_detected", "of_a_newer_version", "", "Not a code"):
            event = delivery_pb2.Event(kind=kind, detail="what\0 happened")
            await delivery.send(event=event)
        await hello(delivery, new_incarnation())
    assert fetch(collector.url, EVENTS, [agent.agent_id]) == [
        {"kind": "copy_detected", "detail": "what happened"},
        {"kind": "of_a_newer_version", "detail": "what happened"},
    ]


async def test_an_agent_cannot_fill_the_database_with_events(
    collector: Collector, agent: Identity
) -> None:
    async with stream(collector, agent) as delivery:
        for _ in range(150):
            await delivery.send(event=delivery_pb2.Event(kind="noise", detail="x" * 5_000))
        await hello(delivery, new_incarnation())
    [row] = fetch(
        collector.url,
        "SELECT count(*) AS n, max(length(detail)) AS longest FROM vantage.agent_events"
        " WHERE agent_id = %s",
        [agent.agent_id],
    )
    assert row == {"n": 100, "longest": 1_000}


async def test_when_agents_went_and_came_back_is_kept(collector: Collector) -> None:
    agent = await enrol(collector, "b")  # the only one there
    async with stream(collector, agent) as delivery:
        await hello(delivery, new_incarnation())
    gone = (
        "UPDATE vantage.agents SET last_seen_at = now() - INTERVAL '1 minute' WHERE location = 'b'"
    )
    execute(collector, gone)
    async with asyncio.timeout(15):
        while not fetch(collector.url, EVENTS, [agent.agent_id]):
            await asyncio.sleep(0.1)
    async with stream(collector, agent) as delivery:
        await hello(delivery, new_incarnation())
        await delivery.send(heartbeat=delivery_pb2.Heartbeat())
        await hello(delivery, new_incarnation())
    events = fetch(collector.url, EVENTS, [agent.agent_id])
    assert [event["kind"] for event in events] == ["offline", "online"]
    assert "No other agent" in events[0]["detail"]
