"""A real collector process, and an agent's side of the wire written by hand."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID

import grpc
import psycopg
from psycopg.rows import dict_row

from collector import tokens
from collector.monitor import Monitor
from collector.operator.account import add_account
from collector.operator.location import add_location
from collector.operator.monitor import add_monitor
from tests.support.certificates import signing_request
from tests.support.processes import Program, answers, free_port, running
from vantage.v1 import (
    delivery_pb2,
    delivery_pb2_grpc,
    enrolment_pb2,
    enrolment_pb2_grpc,
    result_pb2,
)

BEGAN_S = int(time.time())
COLLECTOR_NAME = (("grpc.ssl_target_name_override", "collector.vantage.internal"),)


@dataclass(frozen=True)
class Collector:
    """A running collector: where it listens, what it stores in."""

    url: str
    directory: Path
    port: int
    enrolment_port: int
    program: Program

    @property
    def authority(self) -> bytes:
        return (self.directory / "authority" / "authority.pem").read_bytes()

    def token(self, location: str) -> str:
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return tokens.issue(connection, location, f"127.0.0.1:{self.enrolment_port}")

    def token_again(self, agent_id: UUID) -> str:
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return tokens.issue_again(connection, agent_id, f"127.0.0.1:{self.enrolment_port}")


def collector_program(
    url: str,
    directory: Path,
    port: int,
    enrolment_port: int,
    *options: str,
    log_level: str = "info",
) -> Program:
    arguments = [
        "serve",
        f"--database={url}",
        f"--authority={directory / 'authority'}",
        f"--secret-key-file={directory / 'secret.key'}",
        f"--listen=127.0.0.1:{port}",
        f"--enrolment-listen=127.0.0.1:{enrolment_port}",
        f"--advertise=127.0.0.1:{port}",
        f"--log-level={log_level}",
        *options,
    ]
    return Program("collector", arguments, directory / "collector.log")


@contextmanager
def running_collector(url: str, directory: Path, *options: str) -> Iterator[Collector]:
    port, enrolment_port = free_port(), free_port()
    program = collector_program(url, directory, port, enrolment_port, *options)
    ready = lambda: answers(port) and answers(enrolment_port)  # noqa: E731
    with running(program, ready=ready, what="the collector"):
        yield Collector(url, directory, port, enrolment_port, program)


def configure(url: str, *, locations: Sequence[str] = ("a",), monitors: int = 1) -> list[int]:
    """Add an account, locations and monitors that they probe; return the monitors' ids."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        account_id = add_account(connection, "customer", "customer@example.com", "a-password")
        for name in locations:
            add_location(connection, name=name, title=name.upper())
        return [
            add_monitor(connection, account_id, Monitor(url=f"http://127.0.0.1:1/{number}"))
            for number in range(monitors)
        ]


def fetch(
    url: str, statement: str, parameters: Sequence[Any] | Mapping[str, Any] = ()
) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(statement, parameters).fetchall()


def execute(collector: Collector, statement: LiteralString) -> None:
    """Run a statement as the database's owner."""
    owner = collector.url.replace("vantage_collector", "vantage")
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(statement)


@dataclass(frozen=True)
class Identity:
    """An enrolled agent's key and certificates."""

    agent_id: UUID
    location: str
    key: bytes
    certificate: bytes
    authority: bytes

    def channel(self, port: int) -> grpc.aio.Channel:
        credentials = grpc.ssl_channel_credentials(self.authority, self.key, self.certificate)
        return grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, COLLECTOR_NAME)


async def enrol(
    collector: Collector, location: str, token: str | None = None, *, stay: str = ""
) -> Identity:
    secret = (token or collector.token(location)).partition(".")[0]
    key, csr = signing_request()
    credentials = grpc.ssl_channel_credentials(collector.authority)
    address = f"127.0.0.1:{collector.enrolment_port}"
    async with grpc.aio.secure_channel(address, credentials, COLLECTOR_NAME) as channel:
        answer = await enrolment_pb2_grpc.EnrolmentStub(channel).Enrol(
            enrolment_pb2.EnrolRequest(secret=secret, csr=csr, name="by hand", agent_id=stay)
        )
    return Identity(
        UUID(answer.agent_id), answer.location, key, answer.certificate, answer.authority
    )


class Stream:
    """One Deliver stream, message by message."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self.passed: defaultdict[str | None, deque[Any]] = defaultdict(deque)

    async def send(self, **message: Any) -> None:
        await self.call.write(delivery_pb2.AgentMessage(**message))

    async def read(self, kind: str) -> Any:
        """Return the next message of a kind; the others are kept for later."""
        async with asyncio.timeout(60):
            while not self.passed[kind]:
                message = await self.call.read()
                assert message is not grpc.aio.EOF, await self.call.details()
                found = message.WhichOneof("message")
                self.passed[found].append(getattr(message, found))
        return self.passed[kind].popleft()

    async def hello(self, incarnation: bytes) -> int:
        await self.send(hello=delivery_pb2.Hello(incarnation=incarnation, version="test"))
        welcome = await self.read("welcome")
        assert welcome.incarnation == incarnation
        return int(welcome.high_water)

    async def batch(self, first_seq: int, results: Sequence[bytes]) -> None:
        await self.send(batch=delivery_pb2.Batch(first_seq=first_seq, results=results))

    async def ended(self) -> grpc.StatusCode:
        """Read to the end, which gRPC wants before it tells the status."""
        async with asyncio.timeout(60):
            try:
                while await self.call.read() is not grpc.aio.EOF:
                    pass
            except grpc.aio.AioRpcError:
                pass
            code: grpc.StatusCode = await self.call.code()
            return code


@asynccontextmanager
async def stream(collector: Collector, identity: Identity) -> AsyncIterator[Stream]:
    async with identity.channel(collector.port) as channel:
        call = delivery_pb2_grpc.DeliveryStub(channel).Deliver()
        yield Stream(call)
        call.cancel()


def new_incarnation() -> bytes:
    return secrets.token_bytes(16)


def result(monitor_id: int, slot: int, **changes: Any) -> bytes:
    """Encode a sound result of slot ``slot`` (seconds before the test began), with changes."""
    slot_at_us = (BEGAN_S - slot) * 1_000_000
    message = result_pb2.Result(
        monitor_id=monitor_id,
        slot_at_us=slot_at_us,
        started_at_us=slot_at_us + 300,
        outcome=result_pb2.OUTCOME_UP,
        exchanges=[exchange()],
        total_us=1_500,
        delay_us=300,
    )
    for name, value in changes.items():
        if isinstance(value, list):
            del getattr(message, name)[:]
            getattr(message, name).extend(value)
        elif isinstance(value, result_pb2.Handshake):
            getattr(message, name).CopyFrom(value)
        else:
            setattr(message, name, value)
    return message.SerializeToString()


def missed(
    first: int, last: int, slots: int = 1, *, monitor_id: int = 1, reason: str = "overlap"
) -> bytes:
    """Encode what tells of slots ``first`` to ``last``, as seconds before the test began."""
    return result_pb2.Result(
        monitor_id=monitor_id,
        missed=result_pb2.MissedSlots(
            from_slot_at_us=(BEGAN_S - first) * 1_000_000,
            to_slot_at_us=(BEGAN_S - last) * 1_000_000,
            slots=slots,
            reason=reason,
        ),
    ).SerializeToString()


def exchange(**changes: Any) -> result_pb2.Exchange:
    fields: dict[str, Any] = {
        "url": "http://127.0.0.1:1/",
        "phases": result_pb2.Phases(connect_us=200, send_us=0, wait_us=1_000, receive_us=300),
        "total_us": 1_500,
        "http_status": 200,
        "http_version": "1.1",
        "header_bytes": 120,
        "body_bytes": 4_000,
        "target_ip": bytes([127, 0, 0, 1]),
        "target_port": 1,
        "local_ip": bytes([127, 0, 0, 1]),
        "rtt_us": 40,
    }
    return result_pb2.Exchange(**{**fields, **changes})
