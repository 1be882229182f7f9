"""One contender of bench/cost.py, in a process of its own.

    python -m bench.contender NAME URL SECONDS IN_FLIGHT AUTHORITIES

Prints a JSON object: the fetches done, those that failed, and the CPU (user and system, of the
whole process) each took in microseconds. What comes before IN_FLIGHT fetches is not counted.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import uvloop

from agent import log, wire
from agent.probe import Prober
from agent.result import Assignment, Monitor, Result
from agent.runner import Runner
from agent.spool import Spool
from agent.writer import Writer

LOOPBACK = [ip_network("127.0.0.0/8")]
# Shares of what the prober can do at most, by which slots are scheduled.
SATURATING, AT_EASE = 1.2, 0.5

Fetch = Callable[[], Awaitable[bool]]


@dataclass
class Aim:
    url: str
    seconds: float
    in_flight: int
    authorities: Path


@dataclass
class Count:
    """Fetches, and the CPU spent since the first that counts."""

    done: int = 0
    failed: int = 0
    began_us: float = 0.0

    def begin(self) -> None:
        self.done = self.failed = 0
        self.began_us = cpu_us()

    def add(self, is_ok: bool) -> None:
        self.done += 1
        self.failed += not is_ok

    def show(self) -> None:
        cpu = (cpu_us() - self.began_us) / max(1, self.done)
        print(json.dumps({"done": self.done, "failed": self.failed, "cpu_us": cpu}))


def cpu_us() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1e6


async def closed_loop(fetch: Fetch, aim: Aim, seconds: float, count: Count) -> None:
    """Keep ``in_flight`` fetches going, each beginning when another ends."""

    async def one_after_another(until: float) -> None:
        while time.monotonic() < until:
            count.add(await fetch())

    await asyncio.gather(*(fetch() for _ in range(aim.in_flight)))
    count.begin()
    until = time.monotonic() + seconds
    await asyncio.gather(*(one_after_another(until) for _ in range(aim.in_flight)))


async def prober(aim: Aim) -> None:
    """The agent's probing alone, as fast as it goes."""
    count, it = Count(), _prober(aim)
    await closed_loop(_probing(it, aim), aim, aim.seconds, count)
    count.show()
    await it.close()


async def agent(aim: Aim) -> None:
    """The whole path of a result, as many in flight as they may be."""
    await _whole_path(aim, SATURATING)


async def paced(aim: Aim) -> None:
    """The same with time to spare, as an agent should run."""
    await _whole_path(aim, AT_EASE)


async def _whole_path(aim: Aim, share: float) -> None:
    """Schedule, probe, encode, and spool, one fdatasync for many, at a share of the capacity."""
    count, it = Count(), _prober(aim)
    seconds = aim.seconds / 4
    await closed_loop(_probing(it, aim), aim, seconds, count)
    # As many monitors as may be in flight, none of which ever overlaps itself.
    interval_us = int(1e6 * aim.in_flight * seconds / max(1, count.done) / share)
    with tempfile.TemporaryDirectory() as folder:
        writer = Writer(Spool(Path(folder)), on_durable=lambda: None)
        writing = threading.Thread(target=writer.run)
        writing.start()

        def sink(result: Result) -> None:
            writer.put(wire.encode(result))
            count.add(result.failure is None)

        runner = Runner(
            it.probe, sink, is_ready=lambda: writer.is_ready, max_in_flight=aim.in_flight
        )
        runner.assign(
            [
                Assignment(Monitor(n, aim.url, interval_us), n * interval_us // aim.in_flight)
                for n in range(aim.in_flight)
            ]
        )
        count.begin()
        asyncio.get_running_loop().call_later(aim.seconds, runner.stop)
        await runner.run()
        writer.close()
        await asyncio.to_thread(writing.join)
        count.show()
    await it.close()


def _prober(aim: Aim) -> Prober:
    os.environ["SSL_CERT_FILE"] = str(aim.authorities)
    return Prober(allow_networks=LOOPBACK)


def _probing(it: Prober, aim: Aim) -> Fetch:
    monitor = Monitor(1, aim.url)

    async def fetch() -> bool:
        return (await it.probe(monitor)).failure is None

    return fetch


async def aiohttp(aim: Aim) -> None:
    from aiohttp import ClientSession, TCPConnector

    count, context = Count(), ssl.create_default_context(cafile=str(aim.authorities))
    connector = TCPConnector(ssl=context, force_close=True, limit=0)
    async with ClientSession(connector=connector) as session:

        async def fetch() -> bool:
            async with session.get(aim.url) as response:
                await response.read()
                return bool(response.status == 200)

        await closed_loop(fetch, aim, aim.seconds, count)
    count.show()


async def httpx(aim: Aim) -> None:
    from httpx import AsyncClient, Limits

    count, context = Count(), ssl.create_default_context(cafile=str(aim.authorities))
    limits = Limits(max_keepalive_connections=0)
    async with AsyncClient(verify=context, limits=limits, trust_env=False) as client:

        async def fetch() -> bool:
            return bool((await client.get(aim.url)).status_code == 200)

        await closed_loop(fetch, aim, aim.seconds, count)
    count.show()


CONTENDERS = {each.__name__: each for each in (prober, agent, paced, aiohttp, httpx)}

if __name__ == "__main__":
    log.configure("error")
    name, url, seconds, in_flight, authorities = sys.argv[1:]
    uvloop.run(CONTENDERS[name](Aim(url, float(seconds), int(in_flight), Path(authorities))))
