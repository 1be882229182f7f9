"""An agent's home, its spool and what delivers it to a server that misbehaves to order."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

from agent.delivery import Delivery
from agent.home import Home
from agent.spool import Spool
from agent.stream import Pace
from tests.support.delivery_server import DeliveryServer
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
