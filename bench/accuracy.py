"""How wrong the phases are, against a server that says how long it held each answer.

    python -m bench.accuracy [--seconds S] [--json]

The server, on a core of its own, answers HOLD after each request and writes into the answer how
long that really was by its own clock; what a probe's `wait_us` has more is error: the loopback's
round trip (some 50 us), the server's lag in seeing the request, and ours. `connect_us` is held
against the kernel's own round trip. Each load is measured as libcurl stamps and as the agent
reports; starts are spread evenly. HTTP only: a handshake's truth is not known to a server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from typing import Any
from unittest import mock

import uvloop

from agent import transfer
from agent.authorities import system_bundle
from agent.content import Content
from agent.guard import Guard
from agent.phases import Marks, phases
from agent.readiness import Waits
from agent.transfer import Engine, Transfer
from agent.url import Target, target_of
from bench.table import conditions, show
from bench.target import cores, free_port, pinned, wait_for

# In flight, and how long each answer is held: 10, 500 and 1,000 probes a second.
LOADS = ((1, 0.1), (100, 0.2), (1000, 1.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each run")
    parser.add_argument("--json", action="store_true", help="print JSON, and no table")
    options = parser.parse_args()
    beside = conditions()
    os.sched_setaffinity(0, {cores()[0]})
    rows = []
    for in_flight, hold_s in LOADS:
        with _serving(hold_s) as url:
            for name, correct in (("libcurl's marks", _as_stamped), ("agent", transfer.unwaited)):
                with mock.patch.object(transfer, "unwaited", correct):
                    done = uvloop.run(_probe(url, in_flight, hold_s, options.seconds))
                rows.append(_row(in_flight, name, done))
    if options.json:
        print(
            json.dumps(
                {"beside": beside, "rows": [dict(zip(HEADINGS, row, strict=True)) for row in rows]}
            )
        )
        return
    show(f"Error in us, p50 and p99: {beside}", HEADINGS, rows)


HEADINGS = (
    "in flight", "marks", "probes", "connect p50", "connect p99",
    "wait p50", "wait p99", "wait least",
)  # fmt: skip


def _as_stamped(marks: Marks, _waits: Waits) -> Marks:
    return marks


@contextmanager
def _serving(hold_s: float) -> Iterator[str]:
    port = free_port()
    program = [sys.executable, "-m", "bench.accuracy", "serve", str(port), str(hold_s)]
    server = subprocess.Popen(pinned(cores()[1], program))
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait()


async def _probe(url: str, in_flight: int, hold_s: float, seconds: float) -> list[tuple[int, int]]:
    """Return the errors of connect and of wait, of each probe."""
    engine = Engine(Guard([ip_network("127.0.0.0/8")]), system_bundle(), None)
    target, errors, failed = target_of(url), [], 0
    running: set[asyncio.Task[None]] = set()

    async def one() -> None:
        nonlocal failed
        content = Content()
        done = await engine.exchange(target, _addresses(target), 10_000_000, content=content)
        if done.error is None and (held := content.values("X-Held-Us")):
            errors.append(_errors(done, int(held[0])))
        else:
            failed += 1

    every_s, began = hold_s / in_flight, time.monotonic()
    for number in range(round(seconds / every_s)):
        await asyncio.sleep(max(0.0, began + number * every_s - time.monotonic()))
        running.add(task := asyncio.create_task(one()))
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    await engine.close()
    if failed:
        raise SystemExit(f"{failed} of {failed + len(errors)} probes failed.")
    return errors


def _addresses(target: Target) -> list[object]:
    return [target.address]


def _errors(done: Transfer, held_us: int) -> tuple[int, int]:
    split = phases(done.marks, dns_us=None, is_tls=False)
    return (split.connect_us or 0) - (done.rtt_us or 0), (split.wait_us or 0) - held_us


def _row(in_flight: int, name: str, done: list[tuple[int, int]]) -> tuple[object, ...]:
    connect, wait = (sorted(errors) for errors in zip(*done, strict=True))
    return (
        f"{in_flight}", name, len(done),
        _at(connect, 0.5), _at(connect, 0.99), _at(wait, 0.5), _at(wait, 0.99), wait[0],
    )  # fmt: skip


def _at(ordered: list[int], share: float) -> int:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class _Holding(asyncio.Protocol):
    """Answers after a while, and says how long that was."""

    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, _data: bytes) -> None:
        came_ns = time.monotonic_ns()
        asyncio.get_running_loop().call_later(self._hold_s, self._answer, came_ns)

    def _answer(self, came_ns: int) -> None:
        held_us = (time.monotonic_ns() - came_ns) // 1000
        head = f"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Held-Us: {held_us}\r\n"
        self._transport.write(head.encode() + b"Connection: close\r\n\r\nhello")
        self._transport.close()


async def _serve(port: int, hold_s: float) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: _Holding(hold_s), "127.0.0.1", port, backlog=4096)
    await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(_serve(int(sys.argv[2]), float(sys.argv[3])))
    else:
        main()
