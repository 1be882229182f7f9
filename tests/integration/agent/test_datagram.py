"""When datagrams leave and arrive, by the kernel's own dates."""

from __future__ import annotations

import asyncio
import select
import socket
import time
from collections.abc import Iterator

import pytest

from agent import timer
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


def later_ns(seconds: float = 5) -> int:
    return time.monotonic_ns() + round(seconds * 1e9)


async def test_what_is_sent_leaves_its_date_to_nobody_else(server: socket.socket) -> None:
    with connected(server.getsockname()[:2]) as sock:
        sock.send(b"question")
        assert is_dated(sock), "the kernel did not date what left"
        assert list(datagrams(sock, later_ns())) == []
        assert not is_dated(sock)
        before_ns = time.monotonic_ns()
        left_ns = send(sock, b"question")
        assert before_ns < left_ns < time.monotonic_ns()
        assert not is_dated(sock)
        server.recv(100)
        _, client = server.recvfrom(100)
        asyncio.get_running_loop().call_later(0.05, server.sendto, b"answer", client)
        await readable(sock, later_ns())
        [(datagram, came_ns, is_kernels)] = datagrams(sock, later_ns())
    assert (datagram, is_kernels) == (b"answer", True)
    assert left_ns + 45_000_000 < came_ns < time.monotonic_ns()


async def test_a_date_that_came_late_is_not_another_ones(server: socket.socket) -> None:
    with connected(server.getsockname()[:2]) as sock:
        sock.send(b"first")
        time.sleep(0.01)  # noqa: ASYNC251 - longer than any call
        before_ns = time.monotonic_ns()
        assert send(sock, b"second") > before_ns


async def test_a_limit_is_one_on_when_it_came(server: socket.socket) -> None:
    with connected(server.getsockname()[:2]) as sock:
        send(sock, b"question")
        _, client = server.recvfrom(100)
        until_ns = later_ns(0.05)
        with pytest.raises(TimeoutError):
            await readable(sock, until_ns)
        assert time.monotonic_ns() >= until_ns
        server.sendto(b"late", client)
        # It is there, and has come too late.
        await readable(sock, until_ns)
        with pytest.raises(TimeoutError):
            list(datagrams(sock, until_ns))

        def answer_and_be_busy() -> None:
            """As another connection's turn, so that the limit's comes before the next look."""
            loop.remove_reader(other)
            server.sendto(b"in time", client)
            time.sleep(0.2)

        loop = asyncio.get_running_loop()
        other, wakes = socket.socketpair()
        with other, wakes:
            loop.add_reader(other, answer_and_be_busy)
            wakes.send(b"now")
            until_ns = later_ns(0.1)
            await readable(sock, until_ns)
        assert time.monotonic_ns() > until_ns
        assert [each.data for each in datagrams(sock, until_ns)] == [b"in time"]


async def test_a_timer_is_never_early() -> None:
    """Something else wakes the loop now and then, so that it does not sleep until it is due."""
    loop = asyncio.get_running_loop()
    for _ in range(50):
        await asyncio.sleep(0.0003)
        due_ns, rung = later_ns(0.005), loop.create_future()
        for wait_ms in range(7):
            loop.call_later(wait_ms / 1000, lambda: None)
        timer.call_at(due_ns, rung.set_result, None)
        await rung
        assert time.monotonic_ns() >= due_ns


def test_of_many_datagrams_the_first_are_read_and_others_have_a_turn() -> None:
    far_ns = time.monotonic_ns() + 3_600_000_000_000
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        with connected(sender.getsockname()) as sock:
            for number in range(40):
                sender.sendto(bytes([number]), sock.getsockname())
            assert [each.data[0] for each in datagrams(sock, far_ns)] == list(range(32))
            assert [each.data[0] for each in datagrams(sock, far_ns)] == list(range(32, 40))
