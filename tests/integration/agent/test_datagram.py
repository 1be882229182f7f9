"""When datagrams leave and arrive, by the kernel's own dates."""

from __future__ import annotations

import asyncio
import select
import socket
import time
from collections.abc import Iterator

import pytest

from agent.datagram import connected, datagrams, readable, send


@pytest.fixture(params=["127.0.0.1", "::1"])
def server(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((request.param, 0))
        yield sock


def is_dated(sock: socket.socket) -> bool:
    """Whether the date of something that was sent waits to be read."""
    poll = select.poll()
    poll.register(sock, 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))


async def test_what_is_sent_leaves_its_date_to_nobody_else(server: socket.socket) -> None:
    with connected(server.getsockname()[:2]) as sock:
        sock.send(b"question")
        assert is_dated(sock), "the kernel did not date what left"
        assert list(datagrams(sock)) == []
        assert not is_dated(sock)
        before_ns = time.monotonic_ns()
        left_ns = send(sock, b"question")
        assert before_ns < left_ns < time.monotonic_ns()
        assert not is_dated(sock)
        server.recv(100)
        _, client = server.recvfrom(100)
        asyncio.get_running_loop().call_later(0.05, server.sendto, b"answer", client)
        await readable(sock)
        [(datagram, came_ns, is_kernels)] = datagrams(sock)
    assert (datagram, is_kernels) == (b"answer", True)
    assert left_ns + 45_000_000 < came_ns < time.monotonic_ns()


async def test_a_date_that_came_late_is_not_another_ones(server: socket.socket) -> None:
    with connected(server.getsockname()[:2]) as sock:
        sock.send(b"first")
        time.sleep(0.01)  # noqa: ASYNC251 - longer than any call
        before_ns = time.monotonic_ns()
        assert send(sock, b"second") > before_ns
