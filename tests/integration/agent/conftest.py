"""The agent runs on uvloop, so its tests do."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import uvloop

from agent.home import Home
from agent.probe import Prober
from tests.support.certificates import Leaf, TestAuthority
from tests.support.delivering import Agent
from tests.support.delivery_server import DeliveryServer
from tests.support.probing import LOOPBACK

_SO_TIMESTAMPNS = 35
_LEFT_NS = 5_000_000


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session", autouse=True)
def dated() -> Iterator[None]:
    """Have the kernel date what arrives: it begins a moment after somebody asks it to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        asking.bind(("127.0.0.1", 0))
        for _ in range(1000):
            sent_ns = time.time_ns()
            asking.sendto(b"?", asking.getsockname())
            time.sleep(_LEFT_NS / 1e9)
            _, [(_, _, date)], _, _ = asking.recvmsg(1, socket.CMSG_SPACE(16))
            seconds, nanoseconds = struct.unpack("@ll", date)
            # What came undated gets the date of its reading.
            if seconds * 1_000_000_000 + nanoseconds < sent_ns + _LEFT_NS:
                break
        yield


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def good(authority: TestAuthority) -> Leaf:
    return authority.issue("127.0.0.1", "localhost", "target.example")


@pytest.fixture
async def prober(authority: TestAuthority) -> AsyncIterator[Prober]:
    prober = Prober(allow_networks=LOOPBACK, trust_ca=authority.path)
    yield prober
    await prober.close()


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    home = Home(tmp_path)
    async with DeliveryServer() as server:
        server.enrol(home)
        yield Agent(server, home)


@pytest.fixture
def full_listener() -> Iterator[int]:
    """A port whose queue is full, so that the kernel drops every further SYN."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            client = opened.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
