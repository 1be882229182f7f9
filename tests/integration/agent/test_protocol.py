"""Rows of docs/protocol.md in which the collector says what it should not; on the first stream."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from agent.delivery import Delivery
from agent.errors import TransientError
from agent.home import Home
from agent.spool import Spool
from agent.stream import FencedError, Pace, _first_of
from tests.support import delivery_server
from tests.support.delivery_server import DeliveryServer
from vantage.v1.delivery_pb2 import Ack, CollectorMessage, Gap, Welcome

PACE = Pace(batch_results=10, heartbeat_s=0.1, first_retry_s=0.02, last_retry_s=0.1)
RESULTS = [b"result %d" % seq for seq in range(1, 96)]

Twist = Callable[[CollectorMessage], Iterable[CollectorMessage]]


class Twisted(delivery_server.Deliver):
    def __init__(self, server: DeliveryServer, twist: Twist) -> None:
        super().__init__(server)
        self.twist = twist

    async def Deliver(self, requests: Any, context: Any) -> AsyncIterator[CollectorMessage]:
        is_first = not self.server.counts["streams"]
        async for message in super().Deliver(requests, context):
            for twisted in self.twist(message) if is_first else [message]:
                yield twisted


def welcome_of_another(message: CollectorMessage) -> Iterable[CollectorMessage]:
    if message.HasField("welcome"):
        return [CollectorMessage(welcome=Welcome(incarnation=bytes(16)))]
    return [message]


def ack_of_more_than_was_sent(message: CollectorMessage) -> Iterable[CollectorMessage]:
    return [CollectorMessage(ack=Ack(high_water=96))] if message.HasField("ack") else [message]


def of_a_newer_version(message: CollectorMessage) -> Iterable[CollectorMessage]:
    return [message, CollectorMessage.FromString(b"\x7a\x00")]  # field 15


def answers_before_the_welcome(message: CollectorMessage) -> Iterable[CollectorMessage]:
    if message.HasField("welcome"):
        early = [CollectorMessage(ack=Ack(high_water=50)), CollectorMessage(gap=Gap(high_water=7))]
        return [*early, message]
    return [message]


async def deliver(twist: Twist, place: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Deliver RESULTS, all of them, in order; return what was logged."""
    monkeypatch.setattr(delivery_server, "Deliver", lambda server: Twisted(server, twist))
    async with DeliveryServer() as server:
        home = Home(place)
        spool = Spool(home.claim_spool(server.enrol(home).agent_id))
        spool.append(RESULTS)
        delivery = Delivery(
            home,
            spool,
            collector=server.address,
            version="test",
            on_assignments=lambda assignments: None,
            on_run_now=lambda run_now: None,
            pace=PACE,
        )
        with capture_logs() as logs:
            task = asyncio.create_task(delivery.run())
            deadline = time.monotonic() + 20
            while spool.backlog and not task.done() and time.monotonic() < deadline:
                await asyncio.sleep(0.01)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        assert server.results == RESULTS
        assert spool.backlog == 0
    return logs


@pytest.mark.parametrize(
    ("twist", "reason"),
    [
        (welcome_of_another, "welcomed an incarnation not announced to it"),
        (ack_of_more_than_was_sent, "acknowledged result 96, but only"),
    ],
)
async def test_a_collector_that_contradicts_itself_is_left(
    twist: Twist, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = await deliver(twist, tmp_path, monkeypatch)
    reasons = [entry["reason"] for entry in logs if entry["event"] == "connection_ended"]
    assert sum(reason in said for said in reasons) == 1, reasons


@pytest.mark.parametrize("twist", [of_a_newer_version, answers_before_the_welcome])
async def test_what_means_nothing_here_is_passed_over(
    twist: Twist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = await deliver(twist, tmp_path, monkeypatch)
    ended = [entry["reason"] for entry in logs if entry["event"] == "connection_ended"]
    assert ended == ["stopped"]
    ignored = [entry for entry in logs if entry["event"] == "message_ignored"]
    assert bool(ignored) == (twist is of_a_newer_version)


async def test_of_errors_at_the_same_time_the_first_is_told_and_none_is_complained_about() -> None:
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))

    async def fail(error: Exception) -> None:
        raise error

    with pytest.raises(FencedError):
        await _first_of(fail(FencedError()), fail(TransientError()), fail(TransientError()))
    gc.collect()
    assert complaints == []
