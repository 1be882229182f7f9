"""Rows of docs/protocol.md in which the agent says what it should not, and a collector's end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import grpc
import psycopg
import pytest

from tests.support.collector import (
    Collector,
    Stream,
    collector_program,
    enrol,
    execute,
    fetch,
    new_incarnation,
    result,
    stream,
)
from tests.support.database import Database
from tests.support.processes import free_port, wait_until
from vantage.v1 import delivery_pb2, delivery_pb2_grpc

CLOSED = (
    "SELECT closed_at IS NOT NULL AS is_closed FROM vantage.incarnations WHERE agent_id = %s"
    " ORDER BY opened_at"
)


@pytest.fixture
def collector(lasting_collector: Collector) -> Collector:
    return lasting_collector


async def test_an_incarnation_of_the_wrong_length_is_refused(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    async with stream(collector, agent) as delivery:
        await delivery.send(hello=delivery_pb2.Hello(incarnation=bytes(15)))
        assert await delivery.ended() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("first_seq", "count"),
    [(0, 1), (-1, 1), (1, 0), (1, 10_001)],
)
async def test_an_impossible_batch_is_refused(
    collector: Collector, first_seq: int, count: int
) -> None:
    agent = await enrol(collector, "a")
    async with stream(collector, agent) as delivery:
        await delivery.hello(new_incarnation())
        await delivery.batch(first_seq, [b"x"] * count)
        assert await delivery.ended() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_newer_agents_message_is_passed_over(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    async with stream(collector, agent) as delivery:
        await delivery.call.write(delivery_pb2.AgentMessage.FromString(b"\x7a\x00"))  # field 15
        await delivery.hello(new_incarnation())
        await delivery.call.write(delivery_pb2.AgentMessage.FromString(b"\x7a\x00"))
        await delivery.batch(1, [result(1, 5)])
        assert (await delivery.read("ack")).high_water == 1


async def test_only_the_incarnation_of_the_last_hello_can_be_closed(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    incarnation = new_incarnation()
    async with stream(collector, agent) as delivery:
        await delivery.send(close=delivery_pb2.Close(incarnation=incarnation))
        await delivery.hello(incarnation)
        await delivery.send(close=delivery_pb2.Close(incarnation=new_incarnation()))
        await delivery.batch(1, [result(1, 5)])
        assert (await delivery.read("ack")).high_water == 1
        assert fetch(collector.url, CLOSED, [agent.agent_id]) == [{"is_closed": False}]


async def test_an_older_connection_cannot_close_what_a_newer_delivers(
    collector: Collector,
) -> None:
    agent = await enrol(collector, "a")
    incarnation = new_incarnation()
    async with stream(collector, agent) as old, stream(collector, agent) as new:
        await old.hello(incarnation)
        await new.hello(incarnation)
        await old.send(close=delivery_pb2.Close(incarnation=incarnation))
        await old.hello(new_incarnation())  # answered after the close was dealt with
        assert fetch(collector.url, CLOSED, [agent.agent_id]) == [
            {"is_closed": False},
            {"is_closed": False},
        ]


async def test_after_a_close_a_batch_needs_a_hello(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    incarnation = new_incarnation()
    async with stream(collector, agent) as delivery:
        await delivery.hello(incarnation)
        await delivery.send(close=delivery_pb2.Close(incarnation=incarnation))
        await delivery.batch(1, [result(1, 5)])
        assert await delivery.ended() == grpc.StatusCode.FAILED_PRECONDITION


async def test_a_heartbeat_is_noted(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    async with stream(collector, agent) as delivery:
        await delivery.hello(new_incarnation())
        await delivery.send(heartbeat=delivery_pb2.Heartbeat(backlog=7, number=1))
        await delivery.read("heartbeat_reply")
    [row] = fetch(
        collector.url,
        "SELECT backlog, last_seen_at IS NOT NULL AS is_seen FROM vantage.agents WHERE id = %s",
        [agent.agent_id],
    )
    assert row == {"backlog": 7, "is_seen": True}


async def test_batches_do_not_wait_for_the_heartbeat_before_them(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    lock = "SELECT FROM vantage.agents WHERE id = %s FOR NO KEY UPDATE"
    async with stream(collector, agent) as delivery:
        await delivery.hello(new_incarnation())
        with psycopg.connect(collector.url) as holder:
            holder.execute(lock, [agent.agent_id])
            await delivery.send(heartbeat=delivery_pb2.Heartbeat(backlog=1, number=1))
            await delivery.batch(1, [result(1, 5)])
            await delivery.read("ack")
            assert "heartbeat_reply" not in delivery.passed
        await delivery.read("heartbeat_reply")


async def test_a_heartbeat_that_cannot_be_noted_spoils_no_other(own_collector: Collector) -> None:
    """Noted with one statement, of which one agent's part fails."""
    execute(
        own_collector, "ALTER TABLE vantage.agents ADD CONSTRAINT surprise CHECK (backlog <> 13)"
    )
    bad, good = await enrol(own_collector, "a"), await enrol(own_collector, "a")
    async with stream(own_collector, bad) as refused, stream(own_collector, good) as noted:
        await refused.send(
            hello=delivery_pb2.Hello(incarnation=new_incarnation(), version="no\0text")
        )
        await refused.read("welcome")
        await noted.hello(new_incarnation())
        await asyncio.gather(
            refused.send(heartbeat=delivery_pb2.Heartbeat(number=1, backlog=13)),
            noted.send(heartbeat=delivery_pb2.Heartbeat(number=1, backlog=7)),
        )
        assert (await noted.read("heartbeat_reply")).number == 1
        assert await refused.ended() == grpc.StatusCode.INTERNAL
    assert "stream_failed" in own_collector.program.said()
    rows = fetch(own_collector.url, "SELECT version, backlog FROM vantage.agents ORDER BY version")
    assert rows == [{"version": "notext", "backlog": None}, {"version": "test", "backlog": 7}]
    async with stream(own_collector, bad) as again:
        await again.hello(new_incarnation())


async def test_what_no_commit_can_do_now_is_tried_again(own_collector: Collector) -> None:
    """Such as in the moment of a migration."""
    agent = await enrol(own_collector, "a")
    execute(own_collector, "ALTER TABLE vantage.results RENAME TO away")
    async with stream(own_collector, agent) as delivery:
        await delivery.hello(new_incarnation())
        await delivery.batch(1, [result(1, 5)])
        await asyncio.to_thread(
            wait_until,
            lambda: "commit_failed" in own_collector.program.said(),
            what="a failed commit",
        )
        execute(own_collector, "ALTER TABLE vantage.away RENAME TO results")
        assert (await delivery.read("ack")).high_water == 1


async def test_a_collector_with_a_bug_ends_and_frees_its_ports(own_collector: Collector) -> None:
    """Although agents come back to it all the time."""
    agent = await enrol(own_collector, "a")
    process = own_collector.program.process
    assert process is not None
    execute(own_collector, "ALTER TABLE vantage.monitors RENAME COLUMN interval_s TO gone")
    async with asyncio.timeout(25):
        while process.poll() is None:
            with suppress(TimeoutError, grpc.aio.AioRpcError):
                async with stream(own_collector, agent) as delivery:
                    await delivery.send(hello=delivery_pb2.Hello(incarnation=new_incarnation()))
                    async with asyncio.timeout(0.2):
                        await delivery.call.read()
            await asyncio.sleep(0.05)
    assert process.returncode != 0


async def test_a_connection_that_breaks_is_no_error(collector: Collector) -> None:
    """The agent is gone when its assignments are to be sent to it."""
    agent = await enrol(collector, "a")
    for number in range(60):
        async with agent.channel(collector.port) as channel:
            call = delivery_pb2_grpc.DeliveryStub(channel).Deliver()
            await call.wait_for_connection()
            await asyncio.sleep(number / 4_000)
    await asyncio.sleep(0.5)
    said = collector.program.said()
    assert "Traceback" not in said, said[-3000:]


async def test_a_refusal_is_told_although_assignments_are_being_sent(collector: Collector) -> None:
    """At whichever moment: it comes with the first message, and so do they."""
    agent = await enrol(collector, "a")
    async with agent.channel(collector.port) as channel, asyncio.timeout(60):
        for number in range(100):
            delivery = Stream(delivery_pb2_grpc.DeliveryStub(channel).Deliver())
            await asyncio.sleep(number % 10 / 2_000)
            await delivery.batch(1, [result(1, 5)])
            assert await delivery.ended() == grpc.StatusCode.FAILED_PRECONDITION


def test_a_database_that_dies_during_the_start_is_one_sentence(
    database: Database, tmp_path: Path
) -> None:
    url = database.url(role="vantage_collector")
    program = collector_program(url, tmp_path, free_port(), free_port())
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"
    with psycopg.connect(database.url()) as holder:
        holder.execute("LOCK TABLE vantage.authorities")
        program.start()
        assert program.process is not None
        wait_until(lambda: fetch(database.url(), waiting, [database.name]), what="the collector")
        fetch(
            database.url(),
            f"SELECT pg_terminate_backend(pid) FROM ({waiting}) AS stuck",
            [database.name],
        )
        assert program.process.wait(20) == 1
    assert "Error: The database does not answer: terminating connection" in program.said()
    assert "Traceback" not in program.said()
