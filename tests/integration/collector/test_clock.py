"""An agent's clock: compared at every heartbeat, stored when it moved, flagged when it is off."""

from __future__ import annotations

import json
import re
import time
from datetime import timedelta
from pathlib import Path

from click.testing import CliRunner

from collector.operator.main import main as vantage
from tests.support.collector import (
    Collector,
    Stream,
    enrol,
    execute,
    fetch,
    new_incarnation,
    result,
    stream,
)
from vantage.v1 import delivery_pb2

HISTORY = (
    "SELECT offset_us, uncertainty_us FROM vantage.agent_clocks ORDER BY measured_at, offset_us"
)


async def tell(delivery: Stream, offset_us: int, uncertainty_us: int) -> None:
    """Send one heartbeat, and return when it has been dealt with."""
    heartbeat = delivery_pb2.Heartbeat(
        clock_offset_us=offset_us, clock_uncertainty_us=uncertainty_us
    )
    await delivery.send(heartbeat=heartbeat)
    await delivery.hello(new_incarnation())


async def test_a_heartbeat_is_answered_with_the_collectors_time(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    async with stream(collector, agent) as delivery:
        await delivery.hello(new_incarnation())
        before_us = time.time_ns() // 1000
        await delivery.send(heartbeat=delivery_pb2.Heartbeat(number=7))
        reply = await delivery.read("heartbeat_reply")
        after_us = time.time_ns() // 1000
    assert reply.number == 7
    assert before_us <= reply.received_at_us <= reply.replied_at_us <= after_us


async def test_an_agent_that_knows_no_replies_gets_none(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    async with stream(collector, agent) as delivery:
        await delivery.send(heartbeat=delivery_pb2.Heartbeat(backlog=1))
        await delivery.hello(new_incarnation())
        assert "heartbeat_reply" not in delivery.passed


async def test_an_offset_is_stored_when_it_moved(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    async with stream(collector, agent) as delivery:
        await tell(delivery, 1_000, 500)
        await tell(delivery, 9_000, 500)  # less than 10 ms away
        await tell(delivery, 200_000, 300_000)  # far away, and as uncertain
        await tell(delivery, 200_000, 500)
        assert fetch(collector.url, HISTORY) == [
            {"offset_us": 1_000, "uncertainty_us": 500},
            {"offset_us": 200_000, "uncertainty_us": 500},
        ]
        execute(
            collector,
            "UPDATE vantage.agent_clocks SET measured_at = measured_at - INTERVAL '61 minutes'",
        )
        await tell(delivery, 200_001, 500)
    async with stream(collector, agent) as delivery:
        await tell(delivery, 200_002, 500)  # of a new connection
    rows = fetch(collector.url, HISTORY)
    assert [row["offset_us"] for row in rows] == [1_000, 200_000, 200_001, 200_002]


async def test_a_clock_that_is_off_for_certain_is_flagged(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    async with stream(collector, agent) as delivery:
        await tell(delivery, -1_400_000, 500_000)  # may be within the bound of a second
        assert listed(collector)[0]["is_clock_off"] is False
        await tell(delivery, -7_200_000_000, 500_000)
        [row] = listed(collector)
        assert (row["is_clock_off"], row["clock_offset_us"]) == (True, -7_200_000_000)
        assert "-7,200.0 s OFF" in agent_list(collector)
        await tell(delivery, 1_234, 567)
        assert "+1.2 ms ±0.6" in agent_list(collector)
    assert collector.program.said().count("agent_clock_off") == 1


async def test_the_documented_query_corrects_a_results_start(collector: Collector) -> None:
    document = (Path(__file__).parents[3] / "docs" / "agents.md").read_text()
    [query] = re.findall(r"```sql\n(SELECT.*?started_at_corrected.*?)```", document, re.DOTALL)
    agent = await enrol(collector, "a")
    async with stream(collector, agent) as delivery:
        await tell(delivery, 2_000_000, 500)
        await delivery.batch(1, [result(1, 60)])
        await delivery.read("ack")
    [row] = fetch(collector.url, query)
    assert row["started_at"] - row["started_at_corrected"] == timedelta(seconds=2)
    assert row["uncertainty_us"] == 500


async def test_nonsense_about_a_clock_is_passed_over(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    async with stream(collector, agent) as delivery:
        await tell(delivery, -(2**63), 1)
        await tell(delivery, 0, -1)
        await tell(delivery, 0, 2**63 - 1)
        [row] = listed(collector)
        assert row["clock_offset_us"] is None
    assert fetch(collector.url, HISTORY) == []


def agent_list(collector: Collector, *options: str) -> str:
    arguments = ["agent", "list", f"--database={collector.url}", *options]
    ran = CliRunner().invoke(vantage, arguments)
    assert ran.exit_code == 0, ran.output
    return ran.output


def listed(collector: Collector) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(agent_list(collector, "--json"))
    return rows
