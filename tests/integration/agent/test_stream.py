"""Delivery against a real gRPC server over mutual TLS that misbehaves to order."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from structlog.testing import capture_logs

from agent.errors import FatalError
from agent.home import Home
from agent.stream import Pace
from tests.support.delivering import IMPATIENT, Agent, payloads, until
from tests.support.delivery_server import LIFE, DeliveryServer
from vantage.v1 import monitor_pb2


async def test_results_arrive_once_in_order_and_leave_the_spool(agent: Agent) -> None:
    agent.spool.append(payloads(1, 95))
    async with agent.delivering() as delivery:
        await agent.delivered()
        agent.spool.append(payloads(96, 100))
        delivery.wake()
        await agent.delivered()
    running = agent.spool.running
    assert agent.server.stored == {running.id: payloads(1, 100)}
    assert len(list(running.directory.glob("*.seg"))) == 1  # the file being written
    assert agent.server.counts["resent"] == 0
    assert agent.server.counts["streams"] == 1


async def test_new_results_do_not_wait_for_anything(agent: Agent) -> None:
    agent.pace = Pace(heartbeat_s=30)
    async with agent.delivering() as delivery:
        await until(lambda: agent.server.hellos, "Hello")
        await asyncio.sleep(0.1)
        began = time.monotonic()
        agent.spool.append(payloads(1, 1))
        delivery.wake()
        await agent.delivered()
        # Well before the next heartbeat.
        assert time.monotonic() - began < 15


async def test_what_comes_while_a_batch_is_unanswered_goes_together(agent: Agent) -> None:
    agent.pace = Pace(heartbeat_s=30)
    agent.server.orders.answers_after = asyncio.Event()
    async with agent.delivering() as delivery:
        agent.spool.append(payloads(1, 1))
        delivery.wake()
        await until(lambda: agent.server.counts["batches"], "a batch")
        for number in (2, 3, 4):
            agent.spool.append(payloads(number, number))
            delivery.wake()
            await asyncio.sleep(0.05)
        agent.server.orders.answers_after.set()
        await agent.delivered()
    assert agent.server.results == payloads(1, 4)
    assert agent.server.counts["batches"] == 2


async def test_older_incarnations_go_first_are_closed_and_removed(agent: Agent) -> None:
    expected = {}
    for number in (25, 30, 7):
        expected[agent.open_spool().running.id] = payloads(1, number)
        agent.spool.append(payloads(1, number))
    agent.open_spool().append(payloads(1, 3))
    async with agent.delivering():
        await agent.delivered()
        await until(lambda: len(agent.server.closed) == 3, "three Close")
    assert agent.server.hellos == [*expected, agent.spool.running.id]
    assert agent.server.closed == list(expected)
    assert agent.server.stored == expected | {agent.spool.running.id: payloads(1, 3)}
    kept = {path.name for path in agent.spool.running.directory.parent.iterdir()}
    assert kept == {"agent_id", agent.spool.running.directory.name}


async def test_what_the_collector_holds_already_is_not_sent_again(agent: Agent) -> None:
    agent.spool.append(payloads(1, 40))
    old = agent.spool.running.id
    agent.server.stored[old] = payloads(1, 33)
    agent.open_spool()
    async with agent.delivering():
        await until(lambda: agent.server.closed == [old], "Close")
    assert agent.server.counts["resent"] == 0
    assert agent.server.stored[old] == payloads(1, 40)


@pytest.mark.parametrize("is_old", [False, True])
async def test_what_a_collector_holds_beyond_a_sealed_incarnation_doubles_nothing(
    agent: Agent, is_old: bool
) -> None:
    """As after a power cut, or on a machine that was put back to what it was: its own results."""
    agent.server.orders.is_old = is_old
    agent.spool.append(payloads(1, 5))
    agent.server.stored[agent.spool.running.id] = payloads(1, 9)
    agent.open_spool()
    async with agent.delivering():
        await until(lambda: bool(agent.server.closed), "Close")
    assert agent.spool.backlog == 0
    assert agent.server.results == payloads(1, 9)


@pytest.mark.parametrize("order", ["cuts", "cuts_after_storing", "gaps", "fences"])
async def test_misbehaviour_loses_and_doubles_nothing(agent: Agent, order: str) -> None:
    setattr(agent.server.orders, order, 5)
    total = 0
    async with agent.delivering() as delivery:
        for _ in range(20):
            agent.spool.append(payloads(total + 1, total + 15))
            total += 15
            delivery.wake()
            await asyncio.sleep(0.01)
        await agent.delivered()
    assert getattr(agent.server.orders, order) == 0
    assert sorted(agent.server.results) == sorted(payloads(1, total))


async def test_everything_at_once_loses_and_doubles_nothing(agent: Agent) -> None:
    orders = agent.server.orders
    orders.cuts = orders.cuts_after_storing = orders.gaps = orders.fences = 4
    agent.spool.append(payloads(1, 500))
    agent.open_spool().append(payloads(501, 900))
    async with agent.delivering():
        await agent.delivered()
    assert sorted(agent.server.results) == sorted(payloads(1, 900))


async def test_after_fenced_results_go_under_a_new_incarnation(agent: Agent) -> None:
    agent.server.orders.fences = 1
    first = agent.spool.running
    agent.spool.append(payloads(1, 5))
    async with agent.delivering() as delivery:
        await until(lambda: first.is_sealed, "sealed")
        agent.spool.append(payloads(6, 8))
        delivery.wake()
        await agent.delivered()
    assert agent.server.stored == {
        first.id: payloads(1, 5),
        agent.spool.running.id: payloads(6, 8),
    }


async def test_a_running_incarnation_with_foreign_results_is_left(agent: Agent) -> None:
    first = agent.spool.running.id
    agent.server.stored[first] = [b"somebody else's"]
    async with agent.delivering() as delivery:
        await until(lambda: agent.spool.running.id != first, "a new incarnation")
        agent.spool.append(payloads(1, 5))
        delivery.wake()
        await agent.delivered()
    assert agent.server.stored[agent.spool.running.id] == payloads(1, 5)


async def test_a_collector_that_never_acks_is_left_in_time(agent: Agent) -> None:
    agent.server.orders.silent_streams = 2
    agent.pace = IMPATIENT
    agent.spool.append(payloads(1, 95))
    with capture_logs() as logs:
        async with agent.delivering():
            await until(lambda: agent.server.counts["batches"] == 4, "four batches in flight")
            await asyncio.sleep(0.1)
            assert agent.server.counts["batches"] == 4  # and no more
            await agent.delivered()
    assert agent.server.results == payloads(1, 95)
    reasons = [entry["reason"] for entry in logs if entry["event"] == "connection_ended"]
    assert sum("acknowledged nothing for 0.6 s" in reason for reason in reasons) == 2


async def test_an_idle_connection_is_not_left(agent: Agent) -> None:
    agent.pace = IMPATIENT
    async with agent.delivering():
        await until(lambda: len(agent.server.heartbeats) > 10, "heartbeats")  # > ack_timeout_s
    assert agent.server.counts["streams"] == 1


async def test_heartbeats_tell_the_backlog(agent: Agent) -> None:
    agent.server.orders.silent_streams = 99
    agent.spool.append(payloads(1, 95))
    async with agent.delivering():
        await until(lambda: agent.server.heartbeats, "a heartbeat")
    heartbeat = agent.server.heartbeats[0]
    assert heartbeat.backlog == 95
    assert abs(heartbeat.sent_at_us / 1e6 - time.time()) < 10


async def test_the_collector_restarts(agent: Agent) -> None:
    total = 0
    async with agent.delivering() as delivery:
        for number in range(3):
            agent.spool.append(payloads(total + 1, total + 200))
            total += 200
            delivery.wake()

            def is_some_stored(before: int = number * 200) -> bool:
                return len(agent.server.results) > before

            await until(is_some_stored, "some stored")
            await agent.server.stop()
            agent.spool.append(payloads(total + 1, total + 10))
            total += 10
            await agent.server.start()
        await agent.delivered()
    assert agent.server.results == payloads(1, total)


async def test_a_collector_that_is_away_is_tried_ever_more_slowly(agent: Agent) -> None:
    await agent.server.stop()
    with capture_logs() as logs:
        async with agent.delivering():
            await until(
                lambda: sum(entry["event"] == "connection_ended" for entry in logs) >= 5, "retries"
            )
    ended = [entry for entry in logs if entry["event"] == "connection_ended"]
    assert "Cannot reach the collector" in ended[0]["reason"]
    assert 0.01 <= ended[0]["retry_s"] <= 0.02
    assert 0.05 <= ended[4]["retry_s"] <= 0.1
    await agent.server.start()


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.FAILED_PRECONDITION,
    ],
)
async def test_a_refused_agent_stops(agent: Agent, code: grpc.StatusCode) -> None:
    agent.server.orders.refusal = (code, "This agent was revoked.")
    agent.spool.append(payloads(1, 5))
    with pytest.raises(FatalError, match="refuses this agent: This agent was revoked"):
        async with agent.delivering() as delivery, asyncio.timeout(20):
            await delivery.run()
    assert agent.spool.backlog == 5


async def test_an_expired_certificate_is_said_to_be(tmp_path: Path) -> None:
    home = Home(tmp_path)
    async with DeliveryServer() as server:
        server.enrol(home, age=LIFE + timedelta(minutes=1))
        with pytest.raises(FatalError, match="certificate expired at"):
            async with Agent(server, home).delivering() as delivery, asyncio.timeout(20):
                await delivery.run()


async def test_only_the_stored_authority_is_trusted(agent: Agent) -> None:
    async with DeliveryServer() as impostor:
        address, agent.server.delivery_port = agent.server.delivery_port, impostor.delivery_port
        with capture_logs() as logs:
            async with agent.delivering():
                await until(lambda: logs, "an ended connection")
        agent.server.delivery_port = address
        assert impostor.hellos == []


async def test_assignments_are_handed_over(agent: Agent) -> None:
    monitor = monitor_pb2.Monitor(id=7, url="http://x/", interval_us=1_000_000)
    agent.server.assignments.assignments.add(monitor=monitor, offset_us=3)
    async with agent.delivering():
        await until(lambda: agent.assigned, "assignments")
    assert agent.assigned[0] == agent.server.assignments


async def test_a_collector_of_the_version_before_gets_everything(agent: Agent) -> None:
    agent.server.orders.is_old = True
    agent.spool.append(payloads(1, 95))
    async with agent.delivering():
        await agent.delivered()
    assert agent.server.results == payloads(1, 95)
