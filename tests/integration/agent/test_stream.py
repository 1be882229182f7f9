"""Delivery against a real gRPC server over mutual TLS that misbehaves to order."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from structlog.testing import capture_logs

from agent.delivery import Delivery
from agent.errors import FatalError
from agent.home import Home
from agent.incarnation import Incarnation
from agent.spool import Spool
from agent.stream import Pace
from tests.support.delivery_server import LIFE, DeliveryServer
from vantage.v1 import delivery_pb2, monitor_pb2

PACE = Pace(
    batch_results=10,
    heartbeat_s=0.1,
    ack_timeout_s=20,
    first_retry_s=0.02,
    last_retry_s=0.1,
)


IMPATIENT = replace(PACE, ack_timeout_s=0.6)


def payloads(first: int, last: int) -> list[bytes]:
    return [b"result %d" % seq for seq in range(first, last + 1)]


async def until(condition: Callable[[], object], what: str, limit_s: float = 20) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not in {limit_s} s: {what}"
        await asyncio.sleep(0.01)


@dataclass
class Agent:
    """A home, its spool and what delivers it."""

    server: DeliveryServer
    home: Home
    pace: Pace = PACE
    keep_s: float = 0.0
    assigned: list[monitor_pb2.Assignments] = field(default_factory=list)
    runs: list[delivery_pb2.RunNow] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.spool = self.open_spool()

    def open_spool(self) -> Spool:
        """As a new start of the process would."""
        agent_id = self.home.identity().agent_id
        place = self.home.claim_spool(agent_id)
        self.spool = Spool(place, segment_bytes=500, keep_s=self.keep_s)
        return self.spool

    @contextlib.asynccontextmanager
    async def delivering(self) -> AsyncIterator[Delivery]:
        delivery = Delivery(
            self.home,
            self.spool,
            collector=self.server.address,
            version="test",
            on_assignments=self.assigned.append,
            on_run_now=self.runs.append,
            pace=self.pace,
        )
        task = asyncio.create_task(delivery.run())
        try:
            yield delivery
            assert not task.done(), task.exception()
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def delivered(self) -> None:
        await until(lambda: self.spool.backlog == 0, "everything acknowledged")


@pytest.fixture
async def server() -> AsyncIterator[DeliveryServer]:
    async with DeliveryServer() as server:
        yield server


@pytest.fixture
def agent(server: DeliveryServer, tmp_path: Path) -> Agent:
    home = Home(tmp_path)
    server.enrol(home)
    return Agent(server, home)


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


async def test_a_collector_that_holds_more_of_a_sealed_incarnation_has_it_all(
    agent: Agent,
) -> None:
    agent.spool.append(payloads(1, 5))
    old = agent.spool.running.id
    agent.server.stored[old] = payloads(1, 9)
    agent.open_spool()
    async with agent.delivering():
        await until(lambda: agent.server.closed == [old], "Close")
    assert agent.spool.backlog == 0


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
        async with agent.delivering() as delivery:
            await asyncio.wait_for(delivery.run(), 20)
    assert agent.spool.backlog == 5


async def test_an_expired_certificate_is_said_to_be(server: DeliveryServer, tmp_path: Path) -> None:
    home = Home(tmp_path)
    server.enrol(home, age=LIFE + timedelta(minutes=1))
    agent = Agent(server, home)
    with pytest.raises(FatalError, match="certificate expired at"):
        async with agent.delivering() as delivery:
            await asyncio.wait_for(delivery.run(), 20)


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


async def deliver_many(agent: Agent) -> None:
    """Have 200 results delivered, in many small files."""
    async with agent.delivering() as delivery:
        for seq in range(1, 201):
            agent.spool.append(payloads(seq, seq))
        delivery.wake()
        await agent.delivered()


async def test_after_a_restored_backup_what_is_kept_is_sent_again(agent: Agent) -> None:
    agent.keep_s = 3_600
    agent.open_spool()
    await deliver_many(agent)
    running = agent.spool.running.id
    del agent.server.stored[running][50:]
    agent.spool.append(payloads(201, 210))
    with capture_logs() as logs:
        async with agent.delivering():
            await agent.delivered()
    assert agent.server.stored[running] == payloads(1, 210)
    assert agent.server.acked[-1] == 200
    assert [entry["high_water"] for entry in logs if entry["event"] == "database_restored"] == [50]


async def test_after_a_restored_backup_closed_incarnations_are_sent_again(agent: Agent) -> None:
    agent.keep_s = 3_600
    agent.open_spool().append(payloads(1, 40))
    first = agent.spool.running.id
    agent.open_spool().append(payloads(1, 20))
    async with agent.delivering():
        await agent.delivered()
        await until(lambda: agent.server.closed == [first], "Close")
    agent.server.stored.clear()
    async with agent.delivering():
        await until(lambda: len(agent.server.results) == 60, "everything again")
    assert agent.server.stored == {first: payloads(1, 40), agent.spool.running.id: payloads(1, 20)}


async def test_a_restored_backup_is_noticed_by_an_agent_that_has_delivered_nothing_since_its_start(
    agent: Agent,
) -> None:
    agent.keep_s = 3_600
    agent.open_spool().append(payloads(1, 40))
    first = agent.spool.running.id
    agent.open_spool()
    async with agent.delivering():
        await until(lambda: agent.server.closed == [first], "Close")
    agent.server.stored.clear()
    async with agent.delivering():
        await until(lambda: len(agent.server.results) == 40, "everything again")
    assert agent.server.stored[first] == payloads(1, 40)


async def test_after_a_restored_backup_what_is_not_kept_is_declared_lost(agent: Agent) -> None:
    await deliver_many(agent)
    running = agent.spool.running.id
    del agent.server.stored[running][50:]
    agent.spool.append(payloads(201, 210))
    async with agent.delivering():
        await agent.delivered()
    [skip] = agent.server.skips
    assert (skip.from_seq, skip.reason) == (51, "database_restored")
    assert agent.server.stored[running][skip.to_seq :] == payloads(skip.to_seq + 1, 210)
    assert agent.server.stored[running][:50] == payloads(1, 50)


async def test_dropped_results_are_declared_lost(agent: Agent) -> None:
    for seq in range(1, 201):
        agent.spool.append(payloads(seq, seq))
    lost = [p for _ in range(3) if (dropped := agent.spool.sacrifice()) for p in dropped.payloads]
    assert lost == payloads(1, len(lost))
    async with agent.delivering():
        await agent.delivered()
    [skip] = agent.server.skips
    assert (skip.from_seq, skip.to_seq, skip.reason) == (1, len(lost), "spool_full")
    assert agent.server.results == payloads(len(lost) + 1, 200)


class Hurried(Spool):
    """Has to make room in the very moment in which something is read to be sent."""

    def read(
        self, incarnation: Incarnation, seq: int, *, max_results: int, max_bytes: int
    ) -> list[bytes]:
        self.sacrifice()
        return super().read(incarnation, seq, max_results=max_results, max_bytes=max_bytes)


async def test_what_is_about_to_be_sent_is_not_dropped(agent: Agent) -> None:
    agent.spool = Hurried(agent.spool.running.directory.parent, segment_bytes=500)
    for seq in range(1, 101):
        agent.spool.append(payloads(seq, seq))
    first = sorted(agent.spool.running.directory.glob("*.seg"))[1]
    async with agent.delivering():
        await agent.delivered()
    assert agent.server.results[: int(first.stem) - 1] == payloads(1, int(first.stem) - 1)
    lost = sum(skip.to_seq - skip.from_seq + 1 for skip in agent.server.skips)
    assert lost == 100 - len(agent.server.results)


async def test_damaged_results_are_declared_lost_and_the_others_delivered(agent: Agent) -> None:
    for seq in range(1, 101):
        agent.spool.append(payloads(seq, seq))
    path = sorted(agent.spool.running.directory.glob("*.seg"))[2]
    content = bytearray(path.read_bytes())
    content[10] ^= 1
    path.write_bytes(content)
    async with agent.delivering():
        await agent.delivered()
    [skip] = agent.server.skips
    bad = int(path.stem)
    assert (skip.from_seq, skip.to_seq, skip.reason) == (bad, bad, "spool_damaged")
    assert agent.server.results == payloads(1, bad - 1) + payloads(bad + 1, 100)


async def test_skips_in_doubt_are_declared_again_until_they_are_stored(agent: Agent) -> None:
    """Cut before, after, or in place of the answer."""
    orders = agent.server.orders
    orders.cuts = orders.cuts_after_storing = orders.gaps = 2
    for seq in range(1, 201):
        agent.spool.append(payloads(seq, seq))
    dropped = agent.spool.sacrifice()
    assert dropped is not None
    async with agent.delivering():
        await agent.delivered()
    lost = len(dropped.payloads)
    assert len(agent.server.skips) > 1
    assert agent.server.results == payloads(lost + 1, 200)


async def test_a_collector_too_old_to_be_told_of_losses_gets_nothing_behind_them(
    agent: Agent,
) -> None:
    agent.server.orders.is_old = True
    for seq in range(1, 201):
        agent.spool.append(payloads(seq, seq))
    dropped = agent.spool.sacrifice()
    assert dropped is not None
    with capture_logs() as logs:
        async with agent.delivering():
            await until(
                lambda: sum(entry["event"] == "connection_ended" for entry in logs) > 1, "an end"
            )
            agent.server.orders.is_old = False  # updated
            await agent.delivered()
    reasons = [entry["reason"] for entry in logs if entry["event"] == "connection_ended"]
    assert "too old to be told" in reasons[0]
    assert agent.server.results == payloads(len(dropped.payloads) + 1, 200)


async def test_a_collector_of_the_version_before_gets_everything(agent: Agent) -> None:
    agent.server.orders.is_old = True
    agent.spool.append(payloads(1, 95))
    async with agent.delivering():
        await agent.delivered()
    assert agent.server.results == payloads(1, 95)


@pytest.mark.parametrize("is_sealed", [False, True])
async def test_a_copy_takes_its_results_to_an_incarnation_of_its_own(
    agent: Agent, is_sealed: bool
) -> None:
    """Both machines went on from result 20; the other was faster."""
    shared = agent.spool.running.id
    agent.spool.append(payloads(1, 20))
    async with agent.delivering():
        await agent.delivered()
    agent.server.stored[shared] += [b"the other's %d" % seq for seq in range(21, 26)]
    agent.spool.append(payloads(21, 30))
    if is_sealed:
        agent.open_spool()
    async with agent.delivering():
        await until(lambda: len(agent.server.results) == 35, "both machines' results")
        await until(lambda: agent.server.events, "an event")
    assert sorted(agent.server.results[25:]) == payloads(21, 30)
    assert len(agent.server.stored[shared]) == 25
    [event] = agent.server.events
    assert event.kind == "copy_detected"
    assert "10 undelivered results" in event.detail
