"""When the kernel received what a connection holds, however late somebody looks at it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from time import monotonic_ns, sleep

import pytest

from agent.event import Connection, Event, stamp

MS = 1_000_000
# How long what came is left alone, and how long a busy machine may take for next to nothing.
LEFT_NS = 60 * MS


class Pair:
    """Two ends of a connection: ``far`` sends, ``near`` is what the agent looks at."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            near = socket.SocketType(socket.AF_INET, socket.SOCK_STREAM, 0)
            stamp(near)
            near.connect(server.getsockname())
            self.far, _ = server.accept()
        self.far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.near = near
        self.connection = Connection(near, None)

    def send(self, data: bytes = b"hello") -> tuple[int, int]:
        """Send; return between which instants it came."""
        before_ns = monotonic_ns()
        self.far.sendall(data)
        return before_ns, monotonic_ns()

    def event(self, unseen_ns: int = 0, *, is_data: bool = True) -> Event:
        return Event(self.connection, monotonic_ns(), unseen_ns, is_data=is_data)


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    # The kernel begins to date packets a moment after the first socket asked for it.
    for _ in range(100):
        pair.send()
        if pair.event().is_dated:
            break
        pair.near.recv(100)
        sleep(0.02)
    pair.near.recv(100)
    pair.event().count()
    yield pair
    pair.far.close()
    pair.near.close()


def test_it_is_dated_when_it_came_and_stays_there_to_be_read(pair: Pair) -> None:
    before_ns, after_ns = pair.send()
    sleep(LEFT_NS / 1e9)
    event = pair.event(unseen_ns=5 * LEFT_NS)
    assert event.is_dated
    # What the clocks are read apart.
    assert before_ns - MS <= event.newest_ns == event.oldest_ns <= after_ns + 5 * MS
    # It was a single segment, so there is nothing to doubt.
    assert event.doubt_ns == 0
    assert event.is_late
    assert event.late_ns >= LEFT_NS
    assert pair.near.recv(100) == b"hello"


def test_of_several_segments_the_first_may_have_come_before(pair: Pair) -> None:
    """The kernel may have joined them, and then tells of the last only."""
    before_ns, _ = pair.send(b"head")
    sleep(LEFT_NS / 1e9)
    _, after_ns = pair.send(b"rest")
    event = pair.event(unseen_ns=5 * LEFT_NS)
    assert before_ns + LEFT_NS - MS <= event.newest_ns <= after_ns + 5 * MS
    assert before_ns - MS <= event.oldest_ns <= event.newest_ns
    assert event.oldest_ns - event.doubt_ns <= before_ns
    assert not event.has_more_come()
    pair.send(b"more")
    assert event.has_more_come()


def test_what_was_counted_before_is_not_counted_again(pair: Pair) -> None:
    pair.send(b"handshake")
    event = pair.event()
    pair.near.recv(100)
    event.count()
    pair.send(b"answer")
    assert pair.event(unseen_ns=LEFT_NS).doubt_ns == 0


def test_without_anything_to_read_it_is_seen_when_it_is_seen(pair: Pair) -> None:
    event = pair.event(unseen_ns=LEFT_NS)
    assert not event.is_dated
    assert event.newest_ns == event.oldest_ns == event.seen_ns
    assert event.doubt_ns == LEFT_NS


def test_a_peer_that_shut_the_connection_may_have_done_so_later(pair: Pair) -> None:
    pair.send()
    pair.far.shutdown(socket.SHUT_WR)
    sleep(LEFT_NS / 1e9)
    assert pair.event().is_shut


def test_a_reset_is_left_to_be_found(pair: Pair) -> None:
    pair.far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    pair.far.close()
    pair.event(is_data=False)
    with pytest.raises(ConnectionResetError):
        pair.near.recv(100)


@pytest.mark.parametrize("step_s", [3600, -3600])
def test_a_clock_that_was_set_dates_nothing(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, step_s: int
) -> None:
    pair.send()
    now_ns = time.time_ns() + step_s * 1_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: now_ns)
    event = pair.event(unseen_ns=LEFT_NS)
    assert (event.is_dated, event.newest_ns, event.doubt_ns) == (False, event.seen_ns, LEFT_NS)
