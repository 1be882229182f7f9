"""tcp, tls, and the protocols whose servers greet: a connection, and what is first said over it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from time import monotonic

import pycurl

from agent.content import Content
from agent.engine import Engine
from agent.failure import Code, CurlError, curl_failure
from agent.greeting import GREETINGS, MAX_BYTES, Greeting
from agent.guard import Address
from agent.line import Line, LineBroken
from agent.phases import connection_phases
from agent.result import Failure, Request
from agent.schemes.answer import printable
from agent.schemes.http import exchange_of, failure_of
from agent.schemes.scheme import Exchanged
from agent.stopwatch import Stopwatch
from vantage.url import Target


class Stream:
    """Connects by the engine that HTTP uses, and listens."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def exchange(
        self,
        target: Target,
        addresses: Sequence[Address],
        dns_us: int | None,
        timeout_us: int,
        request: Request,
        content: Content | None,
    ) -> Exchanged:
        greeting = GREETINGS.get(target.scheme)
        talk = None if greeting is None else _Talk(greeting, monotonic() + timeout_us / 1e6)
        transfer = await self._engine.exchange(
            target, addresses, timeout_us, request, talk=None if talk is None else talk.hold
        )
        exchange = replace(
            exchange_of(target, dns_us, transfer),
            phases=connection_phases(transfer.marks, dns_us=dns_us, is_tls=target.is_tls),
        )
        if transfer.error is not None:
            return exchange, failure_of(transfer, exchange), ""
        if talk is None:
            return exchange, None, ""
        if content is not None:
            content.on_body(talk.text.encode())
        phases = replace(exchange.phases, **talk.spent)
        exchange = replace(
            exchange,
            phases=phases,
            total_us=exchange.total_us + sum(talk.spent.values()),
            body_bytes=len(talk.received),
            doubt_us=exchange.doubt_us if talk.is_dated else None,
            answer=printable(talk.text),
        )
        return exchange, talk.failure, ""


class _Talk:
    """Hears one greeting; afterwards tells what it was, or why there was none, and its phases.

    ``is_dated``: the kernel told when it had come.
    """

    def __init__(self, greeting: Greeting, deadline: float) -> None:
        self._greeting = greeting
        self._deadline = deadline
        self.received = b""
        self.text = ""
        self.failure: Failure | None = None
        self.spent: dict[str, int] = {}
        self.is_dated = False

    async def hold(self, line: Line) -> None:
        watch = Stopwatch("wait", line.made_ns)
        left_s = max(0.0, self._deadline - monotonic())
        try:
            async with asyncio.timeout(left_s):
                self.failure = await self._listen(line, watch)
        except LineBroken as broken:
            self.failure = curl_failure(broken.error, watch.phase)
        except TimeoutError:
            detail = f"no whole greeting, {len(self.received)} bytes of it"
            error = CurlError(pycurl.E_OPERATION_TIMEDOUT, detail)
            self.failure = curl_failure(error, watch.phase)
        self.is_dated = bool(self.text) and line.came_ns is not None
        self.spent = watch.stop(line.came_ns if self.is_dated else None)
        if self.text:
            await _hang_up(line, self._greeting.closing)

    async def _listen(self, line: Line, watch: Stopwatch) -> Failure | None:
        opening = self._greeting.opening()
        if opening:
            watch.phase = "send"
            await line.send(opening)
            watch.enter("wait")
        while True:
            chunk = await line.receive()
            if not chunk:
                return self._cut_short()
            if watch.phase == "wait":
                watch.enter("receive", line.came_ns)
            self.received += chunk
            try:
                said = self._greeting.read(self.received)
            except ValueError as error:
                return Failure(Code.PROTOCOL_ERROR, f"{error}, found {self._excerpt()}")
            if said is not None:
                self.text = said.text
                refused = Failure(Code.GREETING_REFUSED, printable(said.text))
                return refused if said.is_refusal else None
            if len(self.received) > MAX_BYTES:
                return Failure(Code.PROTOCOL_ERROR, f"more than {MAX_BYTES} bytes of greeting")

    def _cut_short(self) -> Failure:
        if not self.received:
            return Failure(Code.EMPTY_RESPONSE, "the connection was closed without a greeting")
        detail = f"the connection was closed within the greeting, after {self._excerpt()}"
        return Failure(Code.PROTOCOL_ERROR, detail)

    def _excerpt(self) -> str:
        return repr(self.received[:60])


async def _hang_up(line: Line, closing: bytes) -> None:
    """Take leave; whoever does not take it in at once does without."""
    try:
        async with asyncio.timeout(0.01):
            await line.send(closing)
    except (LineBroken, TimeoutError):
        return
