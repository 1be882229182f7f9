"""The engine under load: times are those of the network, and the loop gets its turn."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from ipaddress import ip_network

import pytest

from agent.authorities import system_bundle
from agent.content import Content
from agent.engine import Engine
from agent.guard import Guard
from agent.phases import phases
from agent.transfer import Transfer
from tests.support.targets import OK, silent
from tests.support.targets import serve as serve_on_the_loop
from vantage.url import target_of

PROBES = 10
HELD_S = 0.1
SLOW_S = 0.03


class SlowContent(Content):
    """Takes as long over a body as a handshake or a big answer takes; ``taken``: how many have."""

    taken = 0

    def on_body(self, chunk: bytes) -> None:
        SlowContent.taken += 1
        time.sleep(SLOW_S)
        super().on_body(chunk)


@contextmanager
def serving_beside() -> Iterator[tuple[str, list[float]]]:
    """Answer HELD_S after each request, whatever the loop is doing.

    Yield the URL, and when each was answered, in microseconds from now: no wait is longer.
    """
    answered_us: list[float] = []
    began = time.perf_counter()

    def answer(connection: socket.socket) -> None:
        with connection:
            connection.recv(4096)
            time.sleep(HELD_S)
            connection.sendall(OK)
            answered_us.append((time.perf_counter() - began) * 1e6)

    def accept() -> None:
        for _ in range(PROBES):
            threading.Thread(target=answer, args=(listener.accept()[0],)).start()

    with socket.create_server(("127.0.0.1", 0), backlog=PROBES) as listener:
        accepting = threading.Thread(target=accept)
        accepting.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", answered_us
        accepting.join()


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine(Guard([ip_network("127.0.0.0/8")]), system_bundle(), None)
    yield engine
    await engine.close()


async def fetch(engine: Engine, url: str, content: Content | None = None) -> Transfer:
    target = target_of(url)
    assert target.address is not None
    return await engine.exchange(target, [target.address], 5_000_000, content=content)


async def most_in_a_turn(stop: asyncio.Event) -> int:
    """Return how many bodies were taken, at most, before the loop had its turn again."""
    most, before = 0, SlowContent.taken
    while not stop.is_set():
        await asyncio.sleep(0)
        most, before = max(most, SlowContent.taken - before), SlowContent.taken
    return most


async def test_what_waits_its_turn_is_not_measured_and_the_loop_goes_on(engine: Engine) -> None:
    """All answers come at once, and each takes 30 ms to process: the last waits for nine others."""
    stop = asyncio.Event()
    turning = asyncio.create_task(most_in_a_turn(stop))
    with serving_beside() as (url, answered_us):
        transfers = await asyncio.gather(
            *(fetch(engine, url, SlowContent()) for _ in range(PROBES))
        )
    stop.set()
    assert [each.error for each in transfers] == [None] * PROBES
    waits = [phases(each.marks, dns_us=None, is_tls=False).wait_us or 0 for each in transfers]
    # Where it is too short, the machine kept us from marking that the request had left: it is told.
    surely = [wait + (each.doubt_us or 0) for wait, each in zip(waits, transfers, strict=True)]
    assert min(surely) >= HELD_S * 1e6 - 1_000
    # Dated by the kernel; uncorrected most are longer by as many times SLOW_S as came before.
    for wait, answered in zip(sorted(waits), sorted(answered_us), strict=True):
        assert wait < answered + SLOW_S * 1e6, (waits, answered_us)
    assert await turning < PROBES / 2


async def test_an_idle_connection_costs_no_time(engine: Engine) -> None:
    async with serve_on_the_loop(silent) as target:
        waiting = asyncio.create_task(fetch(engine, target.url()))
        await asyncio.sleep(0.05)
        began = time.process_time()
        await asyncio.sleep(0.3)
        assert time.process_time() - began < 0.1
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_closing_twice_is_closing_once(engine: Engine) -> None:
    await engine.close()
    await engine.close()
