"""A collector that is told to stop answers what it has received, sends agents away, and ends."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse

from tests.support.collector import (
    Collector,
    Stream,
    collector_program,
    enrol,
    fetch,
    new_incarnation,
    result,
    stream,
)
from tests.support.database import Database
from tests.support.processes import free_port, wait_until

# What docs/operations.md promises.
BOUND_S = 10
BATCHES = 4
COUNT = "SELECT count(*) AS n FROM vantage.results"
COMMITTING = (
    "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture
def health_port() -> int:
    return free_port()


@pytest.fixture
def options(health_port: int) -> list[str]:
    return [f"--health-listen=:{health_port}"]


async def status(port: int, service: str = "") -> int:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        answer = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=60)
    return int(answer.status)


async def turns(port: int, wanted: int) -> None:
    """Wait until the health is as wanted."""
    async with asyncio.timeout(60):
        while await status(port, "vantage.v1.Delivery") != wanted:
            await asyncio.sleep(0.05)


def terminate(collector: Collector) -> None:
    assert collector.program.process is not None
    collector.program.process.send_signal(signal.SIGTERM)


async def code(collector: Collector) -> int:
    assert collector.program.process is not None
    return await asyncio.to_thread(collector.program.process.wait, BOUND_S)


async def acks(delivery: Stream) -> list[int]:
    return [(await delivery.read("ack")).high_water for _ in range(BATCHES)]


async def test_batches_in_the_queue_are_answered_before_the_streams_end(
    collector: Collector, database: Database, health_port: int
) -> None:
    agents = [await enrol(collector, "a") for _ in range(3)]
    await turns(health_port, HealthCheckResponse.SERVING)
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(stream(collector, agent)) for agent in agents]
        watcher = grpc.aio.insecure_channel(f"127.0.0.1:{health_port}")
        await stack.enter_async_context(watcher)
        watching = health_pb2_grpc.HealthStub(watcher).Watch(health_pb2.HealthCheckRequest())
        assert (await watching.read()).status == HealthCheckResponse.SERVING
        for delivery in streams:
            await delivery.hello(new_incarnation())
        with psycopg.connect(database.url()) as holder:
            holder.execute("LOCK TABLE vantage.results")
            for delivery in streams:
                for number in range(BATCHES):
                    await delivery.batch(number + 1, [result(1, number)])
            await asyncio.to_thread(
                wait_until, lambda: fetch(database.url(), COMMITTING), what="a commit that waits"
            )
            terminate(collector)
            assert (await watching.read()).status == HealthCheckResponse.NOT_SERVING
            await asyncio.sleep(0.3)
            assert fetch(database.url(), COMMITTING)  # it waits for what was received
        assert await asyncio.gather(*map(acks, streams)) == [[1, 2, 3, 4]] * 3
        for delivery in streams:
            assert await delivery.ended() == grpc.StatusCode.UNAVAILABLE
            assert "Another one" in await delivery.call.details()
    assert await code(collector) == 0
    assert fetch(database.url(), COUNT) == [{"n": 3 * BATCHES}]


async def test_it_ends_within_the_bound_whatever_the_database_does(
    collector: Collector, database: Database
) -> None:
    agent = await enrol(collector, "a")
    with psycopg.connect(database.url()) as holder:
        async with stream(collector, agent) as delivery:
            await delivery.hello(new_incarnation())
            holder.execute("LOCK TABLE vantage.results")
            await delivery.batch(1, [result(1, 1)])
            await asyncio.to_thread(
                wait_until, lambda: fetch(database.url(), COMMITTING), what="a commit that waits"
            )
            began = time.monotonic()
            terminate(collector)
            assert await code(collector) == 0
            assert time.monotonic() - began < BOUND_S
            assert not delivery.passed["ack"]
    assert fetch(database.url(), COUNT) == [{"n": 0}]


async def test_a_collector_without_its_database_is_not_serving(
    collector: Collector, database: Database, health_port: int
) -> None:
    await turns(health_port, HealthCheckResponse.SERVING)
    with psycopg.connect(database.server_url, autocommit=True) as other:
        name = database.name
        other.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        await turns(health_port, HealthCheckResponse.NOT_SERVING)
        other.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
        await turns(health_port, HealthCheckResponse.SERVING)


async def test_an_agent_keeps_only_its_newest_two_streams(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    async with AsyncExitStack() as stack:
        streams = []
        for _ in range(3):
            streams.append(await stack.enter_async_context(stream(collector, agent)))
            await streams[-1].hello(new_incarnation())
        assert await streams[0].ended() == grpc.StatusCode.UNAVAILABLE
        for delivery in streams[1:]:
            await delivery.batch(1, [result(1, 5)])
            assert (await delivery.read("ack")).high_water == 1


@pytest.mark.parametrize("option", ["--listen", "--health-listen", "--metrics-listen"])
def test_an_address_in_use_is_one_sentence_and_the_end(
    database: Database, tmp_path: Path, option: str
) -> None:
    url = database.url(role="vantage_collector")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        options = (f"--health-listen=:{free_port()}", f"{option}={address}")
        program = collector_program(url, tmp_path, free_port(), free_port(), *options)
        program.start()
        assert program.process is not None
        assert program.process.wait(20) == 1
    said = program.said()
    assert address in said
    assert option in said
    assert "Traceback" not in said
