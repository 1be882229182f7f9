"""One connection of an agent to a collector, on which anything can be said without asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import grpc

from tests.support.collector import Collector, Identity, Stream
from vantage.v1 import delivery_pb2, delivery_pb2_grpc


@dataclass
class Book:
    """What the database shall know of an incarnation.

    ``kept``: slot, None (lost), "bad", or "stored" under another incarnation.
    """

    id: bytes
    kept: list[int | str | None] = field(default_factory=list)
    connection: int = 0
    is_running: bool = False
    is_superseded: bool = False
    is_closed: bool = False


class Line:
    """``book``: of its last Hello; ``number``: which connection that made it."""

    def __init__(
        self, collector: Collector, agent: Identity, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.book: Book | None = None
        self.number = 0
        self.running: Book | None = None
        self._loop = loop
        self._heartbeats = 0
        self._channel, self._stream = self._run(_opened(collector, agent))

    def send(self, **message: Any) -> None:
        with suppress(asyncio.InvalidStateError):  # refused already: what it is told is read next
            self._run(self._stream.send(**message))

    def send_unknown(self) -> None:
        """Send a message of a kind that there is not."""
        unknown = delivery_pb2.AgentMessage.FromString(b"\x7a\x00")
        self._run(self._stream.call.write(unknown))

    def read(self, kind: str) -> Any:
        return self._run(self._stream.read(kind))

    def beat(self, **fields: Any) -> None:
        """Send a heartbeat with the next number, and have it answered."""
        self._heartbeats += 1
        self.send(heartbeat=delivery_pb2.Heartbeat(number=self._heartbeats, **fields))
        assert self.read("heartbeat_reply").number == self._heartbeats

    def settle(self, backlog: int = 0) -> None:
        """Wait until the collector has dealt with what was sent: it answers in order."""
        if not (self.running and self.running.is_superseded):
            self.beat(backlog=backlog)

    def ended(self) -> grpc.StatusCode:
        """Let the collector end it; return how it did."""
        code: grpc.StatusCode = self._run(self._stream.ended())
        self._run(self._channel.close())
        return code

    def break_off(self) -> None:
        self._stream.call.cancel()
        self._run(self._channel.close())

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(coroutine)


async def _opened(collector: Collector, agent: Identity) -> tuple[grpc.aio.Channel, Stream]:
    channel = agent.channel(collector.port)
    call = delivery_pb2_grpc.DeliveryStub(channel).Deliver()
    await call.wait_for_connection()
    return channel, Stream(call)
