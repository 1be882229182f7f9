"""What a collector shows to Prometheus, and that it stays within its memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.request import urlopen

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

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
from tests.support.database import Database
from tests.support.processes import free_port, wait_until

MIB = 1024 * 1024
# As collector/ingest.py and docs/operations.md have it.
WAITING_BYTES = 16 * MIB
STREAM_BYTES = 3 * MIB
BATCH = [b"x" * (MIB * 3 // 10)] * 3
AGENTS = 20


@pytest.fixture
def metrics_port() -> int:
    return free_port()


@pytest.fixture
def options(metrics_port: int) -> list[str]:
    return [f"--metrics-listen=:{metrics_port}"]


def scrape(port: int) -> dict[str, float]:
    """Return every sample by name and labels."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {
            " ".join([sample.name, *sample.labels.values()]): sample.value
            for family in families
            for sample in family.samples
        }


async def test_what_waits_to_be_told_is_counted_though_no_notifier_runs(
    collector: Collector, database: Database, metrics_port: int
) -> None:
    with psycopg.connect(database.url()) as connection:
        connection.execute(
            "INSERT INTO vantage.channels (name, kind, hint, key_id, sealed, muted_at)"
            " VALUES ('a', 'mail', 'a', repeat('a', 16), '', NULL),"
            " ('muted', 'mail', 'b', repeat('a', 16), '', now())"
        )
        connection.execute(
            "INSERT INTO vantage.notifications (channel_id, step, kind, content, due_at)"
            " SELECT id, step, 'test', '{}', now() + late * INTERVAL '1 min'"
            " FROM vantage.channels"
            " CROSS JOIN (VALUES ('one', -9), ('two', -1), ('later', 9)) AS queued (step, late)"
        )
        connection.execute("UPDATE vantage.notifying SET looked_at = now() - INTERVAL '1 h'")
    name = "vantage_collector_notifications_"
    await asyncio.to_thread(
        wait_until, lambda: scrape(metrics_port)[f"{name}waiting"] == 2, what="what waits"
    )
    found = scrape(metrics_port)
    assert 540 <= found[f"{name}oldest_seconds"] < 700
    assert 3600 <= found["vantage_collector_notifier_away_seconds"] < 3760
    execute(collector, "UPDATE vantage.notifying SET looked_at = now()")
    await asyncio.to_thread(
        wait_until,
        lambda: scrape(metrics_port)["vantage_collector_notifier_away_seconds"] == 0,
        what="a notifier's look",
    )


async def test_what_happens_is_counted(collector: Collector, metrics_port: int) -> None:
    agent = await enrol(collector, "a")
    async with stream(collector, agent) as delivery:
        await delivery.hello(new_incarnation())
        await delivery.batch(1, [result(1, 5), b"nonsense", result(1, 6)])
        await delivery.read("ack")
        await delivery.batch(9, [result(1, 7)])
        await delivery.read("gap")
        found = await asyncio.to_thread(scrape, metrics_port)
    assert found["vantage_collector_batches_total stored"] == 1
    assert found["vantage_collector_batches_total gap"] == 1
    assert found["vantage_collector_batches_total revoked"] == 0
    assert found["vantage_collector_results_stored_total"] == 2
    assert found["vantage_collector_results_quarantined_total"] == 1
    assert found["vantage_collector_commit_seconds_count"] == 2
    assert found["vantage_collector_streams_open"] == 1
    assert found["vantage_collector_certificates_total enrolled"] == 1
    assert found["vantage_collector_batches_waiting"] == 0
    assert found["process_resident_memory_bytes"] > MIB
    await asyncio.to_thread(
        wait_until,
        lambda: scrape(metrics_port)["vantage_collector_streams_open"] == 0,
        what="the stream's end",
    )


@asynccontextmanager
async def flooding(delivery: Stream) -> AsyncIterator[None]:
    """Send batches nearly as large as they may be, for as long as the collector takes them."""

    async def flood() -> None:
        await delivery.hello(new_incarnation())
        for first_seq in range(1, 100, len(BATCH)):
            await delivery.batch(first_seq, BATCH)

    task = asyncio.create_task(flood())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_memory_is_bounded_whatever_agents_send(
    collector: Collector, database: Database, metrics_port: int
) -> None:
    """The database takes nothing; what agents send has to wait with them."""
    agents = [await enrol(collector, "a") for _ in range(AGENTS)]
    before = scrape(metrics_port)["process_resident_memory_bytes"]
    async with AsyncExitStack() as stack:
        with psycopg.connect(database.url()) as holder:
            holder.execute("LOCK TABLE vantage.quarantine")
            for agent in agents:
                delivery = await stack.enter_async_context(stream(collector, agent))
                await stack.enter_async_context(flooding(delivery))
            await until_still(metrics_port)
            found = scrape(metrics_port)
            assert WAITING_BYTES / 2 < found["vantage_collector_bytes_waiting"] <= WAITING_BYTES
            grown = found["process_resident_memory_bytes"] - before
            assert grown < 2 * WAITING_BYTES + AGENTS * STREAM_BYTES
    await asyncio.to_thread(
        wait_until,
        lambda: fetch(database.url(), "SELECT FROM vantage.quarantine LIMIT 1"),
        what="what waited being stored",
    )


async def until_still(port: int) -> None:
    """Wait until nothing more is received."""
    seen = -1.0
    async with asyncio.timeout(30):
        while (now := await asyncio.to_thread(memory, port)) != seen:
            seen = now
            await asyncio.sleep(1)


def memory(port: int) -> float:
    found = scrape(port)
    return found["vantage_collector_bytes_waiting"] + found["vantage_collector_batches_waiting"]
