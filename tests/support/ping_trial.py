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
from collections.abc import Coroutine
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import uvloop

from agent.probe import Prober
from agent.resolver import Resolver
from agent.result import Assertion, Monitor
from agent.waterfall import as_json
from tests.support.delaylink import LOSSY, THERE

EVERYWHERE = [ip_network("0.0.0.0/0")]
ONE_WAY_S = 0.01
LIMIT_US = 500_000
BUSY_US = 300_000
IPV4, SNMP = Path("/proc/sys/net/ipv4"), Path("/proc/net/snmp")


def permit(low: int, high: int) -> None:
    (IPV4 / "ping_group_range").write_text(f"{low} {high}")


def answer(yes: bool) -> None:
    (IPV4 / "icmp_echo_ignore_all").write_text("0" if yes else "1")


def pings_sent() -> int:
    names, counts = (line.split() for line in SNMP.read_text().splitlines() if "Icmp:" in line)
    return int(counts[names.index("OutEchos")])


async def hold_up(pinging: Coroutine[Any, Any, None], seconds: float) -> None:
    """Make the loop busy from when the first ping has left."""
    task, sent = asyncio.create_task(pinging), pings_sent()
    while pings_sent() == sent:
        await asyncio.sleep(0)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    await task


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
    several = Prober(allow_networks=EVERYWHERE, resolver=Resolver(hosts=Path(sys.argv[1])))
    await asyncio.gather(
        ping("guarded", THERE, by=guarded),
        ping("well", THERE),
        ping("no route", "192.0.2.1"),
        ping("several", "several.test", by=several),
        ping("half", LOSSY),
        ping("lossy", LOSSY, NO_LOSS),
    )
    await several.close()
    await hold_up(ping("busy", THERE), BUSY_US / 1e6)
    await hold_up(ping("unread", THERE, timeout_us=LIMIT_US), 1.2 * LIMIT_US / 1e6)
    answer(False)
    await ping("silent", THERE, timeout_us=LIMIT_US)
    await prober.close()
    await guarded.close()


if __name__ == "__main__":
    uvloop.run(main())
