"""How much memory the agent takes: idle, and with probes in flight that nobody answers.

    python -m bench.footprint [--in-flight N] [--python PATH] [--json]

The agent is the shipped program, joined to a collector over mutual TLS, each time started anew, in
the environment that the unit and the image give it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import ssl
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from agent.home import Home
from bench.process import memory_mb
from bench.table import conditions, show
from tests.support.certificates import TestAuthority
from tests.support.delivery_server import DeliveryServer
from tests.support.processes import answers, free_port, wait_until
from vantage.v1 import monitor_pb2

PATIENCE_S = 60.0
SETTLING_S = 4.0
INTERVAL_US = 4_000_000
TIMEOUT_US = 60_000_000


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--in-flight", type=int, default=1000)
    parser.add_argument("--python", default=sys.executable, help="of an environment of its own")
    parser.add_argument("--json", action="store_true", help="print JSON, and no table")
    options = parser.parse_args()
    beside = conditions()
    with tempfile.TemporaryDirectory() as name:
        authority = TestAuthority(Path(name))
        leaf = authority.issue("127.0.0.1")
        http, https = free_port(), free_port()
        program = [sys.executable, "-m", "bench.footprint", "serve", str(http), str(https)]
        program += [str(leaf.certificate), str(leaf.key)]
        silent = await asyncio.create_subprocess_exec(*program)
        try:
            wait_until(lambda: answers(https), seconds=10, what="the silent server")
            idle = await _resident_mb(options.python, None, "", 0)
            rows: list[tuple[object, ...]] = [("idle, connected", 0, idle, None)]
            for url in (f"http://127.0.0.1:{http}/", f"https://127.0.0.1:{https}/"):
                resident = await _resident_mb(
                    options.python, authority.path, url, options.in_flight
                )
                each = (resident - idle) / options.in_flight * 1000
                rows.append(
                    (f"{url.partition(':')[0]} in flight", options.in_flight, resident, each)
                )
        finally:
            silent.terminate()
            await silent.wait()
    headings = ("agent", "probes", "RSS, MB", "MB per 1,000")
    if options.json:
        found = [dict(zip(headings, row, strict=True)) for row in rows]
        print(json.dumps({"beside": beside, "rows": found}))
        return
    show(f"Memory of the agent: {beside}", headings, rows)


async def _resident_mb(python: str, authority: Path | None, url: str, monitors: int) -> float:
    """Run an agent until it has come to rest; return what it then takes."""
    async with DeliveryServer() as collector:
        for number in range(monitors):
            monitor = monitor_pb2.Monitor(
                id=number + 1, url=url, interval_us=INTERVAL_US, timeout_us=TIMEOUT_US
            )
            offset_us = number * INTERVAL_US // monitors
            collector.assignments.assignments.add(monitor=monitor, offset_us=offset_us)
        async with _agent(python, collector, authority, max(1, monitors)) as (process, log):
            until = time.monotonic() + PATIENCE_S
            while "incarnation_welcomed" not in log.read_text() or (
                _connections(process.pid) < monitors * 0.99
            ):
                if process.returncode is not None or time.monotonic() > until:
                    raise SystemExit(f"{monitors} are not in flight: {log.read_text()}")
                await asyncio.sleep(0.5)
            await asyncio.sleep(SETTLING_S)
            return memory_mb(process.pid, "VmRSS")


@asynccontextmanager
async def _agent(
    python: str, collector: DeliveryServer, authority: Path | None, max_in_flight: int
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Path]]:
    with tempfile.TemporaryDirectory() as name:
        home, log = Path(name), Path(name) / "log"
        collector.enrol(Home(home))
        options = [f"--home={home}", "--allow-network=127.0.0.0/8"]
        if authority is not None:
            options.append(f"--trust-ca={authority}")
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                python, "-m", "agent", "run", *options,
                f"--max-in-flight={max_in_flight}", stderr=errors,
                env={**os.environ, "MALLOC_ARENA_MAX": "1"},
            )  # fmt: skip
        try:
            yield process, log
        finally:
            process.kill()
            await process.wait()


def _connections(pid: int) -> int:
    """Sockets of libcurl's: each probe has one, and ours is a duplicate of it."""
    links = [each.readlink() for each in Path(f"/proc/{pid}/fd").iterdir()]
    return sum(str(each).startswith("socket:") for each in links) // 2


async def _serve(http: int, https: int, certificate: str, key: str) -> None:
    """Accept, shake hands, and never answer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    loop = asyncio.get_running_loop()
    await loop.create_server(asyncio.Protocol, "127.0.0.1", http, backlog=4096)
    await loop.create_server(asyncio.Protocol, "127.0.0.1", https, ssl=context, backlog=4096)
    await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(_serve(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]))
    else:
        asyncio.run(main())
