"""Pings behind a delay, in a network namespace of its own: one line of JSON for each thing tried.

Started by tests/support/delaylink.py, with the path of a hosts file.
Only here may the kernel's settings be changed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from ipaddress import ip_network
from pathlib import Path

import uvloop

from agent.probe import Prober
from agent.resolver import Resolver
from agent.result import Assertion, Monitor
from agent.waterfall import as_json
from tests.support.delaylink import THERE

EVERYWHERE = [ip_network("0.0.0.0/0")]
ONE_WAY_S = 0.01
IPV4 = Path("/proc/sys/net/ipv4")


def permit(low: int, high: int) -> None:
    (IPV4 / "ping_group_range").write_text(f"{low} {high}")


def answer(yes: bool) -> None:
    (IPV4 / "icmp_echo_ignore_all").write_text("0" if yes else "1")


def compute(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


NO_LOSS = Assertion("loss", at_most=0)


async def main() -> None:
    prober = Prober(allow_networks=EVERYWHERE)
    guarded = Prober()

    async def ping(
        name: str,
        host: str,
        *assertions: Assertion,
        by: Prober = prober,
        timeout_us: int = 2_000_000,
    ) -> None:
        monitor = Monitor(1, f"icmp://{host}", timeout_us=timeout_us, assertions=assertions)
        result = await by.probe(monitor)
        print(json.dumps({"name": name, **as_json(result)}), flush=True)

    permit(1, 0)
    await ping("forbidden", THERE)
    permit(os.getegid(), os.getegid())
    await ping("guarded", THERE, by=guarded)
    # The loop is busy while replies come.
    asyncio.get_running_loop().call_later(0.105, compute, 0.15)
    await ping("well", THERE)
    await ping("no route", "192.0.2.1")
    several = Prober(allow_networks=EVERYWHERE, resolver=Resolver(hosts=Path(sys.argv[1])))
    await ping("several", "several.test", by=several)
    await several.close()
    pinging = asyncio.create_task(ping("half", THERE, timeout_us=700_000))
    await asyncio.sleep(0.25)
    answer(False)
    await pinging
    answer(True)
    pinging = asyncio.create_task(ping("lossy", THERE, NO_LOSS, timeout_us=700_000))
    await asyncio.sleep(0.25)
    answer(False)
    await pinging
    await ping("silent", THERE, timeout_us=300_000)
    await prober.close()
    await guarded.close()


if __name__ == "__main__":
    uvloop.run(main())
