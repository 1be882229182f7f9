"""libcurl's transfers on the running loop, at the price of one descriptor, and with honest times.

libcurl's sockets are in an epoll of our own; only that epoll is in the loop. So the loop wakes
once for all that is ready, and it is known *when* each socket was seen ready: libcurl stamps a
mark when its code runs, which under load is long after the packet came. After every action that
took long the epoll is asked again, so that what became ready meanwhile is stamped now and not
when its turn comes. A socket is registered for one event at a time, and again after libcurl has
acted on it: what waits in our queue is never reported twice.

Descriptors are used again as soon as they are closed; an event is therefore queued with the
Connection it was seen on, and dropped if the descriptor is another one's by then.

After SLICE_NS the loop gets its turn, and the queue goes on in the next.

Source: curl_multi_socket_action(3), CURLMOPT_NOTIFYFUNCTION(3), epoll(7).
"""

from __future__ import annotations

import asyncio
import select
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic_ns
from typing import Any, Protocol

import pycurl

from agent.event import Connection, Event
from agent.stalls import Stalls

SLICE_NS = 2_000_000
# As browsers do.
HOST_CONNECTIONS_MAX = 6
# An action that took longer than this is followed by a look at what became ready meanwhile.
_LONG_NS = 100_000
_EVENTS_MAX = 1024
# A timer that comes this much too early is as good as punctual: libcurl counts milliseconds.
_PUNCTUAL_NS = 500_000

_READABLE, _WRITABLE = select.EPOLLIN, select.EPOLLOUT
_BROKEN = select.EPOLLERR | select.EPOLLHUP
_ONCE = select.EPOLLONESHOT
# What epoll is told of each of libcurl's wishes.
_EVENTS_OF = {
    pycurl.POLL_REMOVE: 0,
    pycurl.POLL_NONE: 0,
    pycurl.POLL_IN: _READABLE | _ONCE,
    pycurl.POLL_OUT: _WRITABLE | _ONCE,
    pycurl.POLL_INOUT: _READABLE | _WRITABLE | _ONCE,
}
# What libcurl is told of each combination of epoll's events.
_ACTION_OF = [
    (pycurl.CSELECT_IN if events & _READABLE else 0)
    | (pycurl.CSELECT_OUT if events & _WRITABLE else 0)
    | (pycurl.CSELECT_ERR if events & _BROKEN else 0)
    for events in range(32)
]


class Observer(Protocol):
    """Whoever wants to know what happens on a connection."""

    def concerns(self, curl: Any) -> bool:
        """Whether the event that was acted on last was on the connection of this transfer."""

    def on_ready(self, event: Event) -> None:
        """Called before libcurl acts on an event."""

    def on_acted(self, event: Event) -> None:
        """Called after it did."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a transfer ended; ``number``: libcurl's, 0: well.

    ``is_by_event``: it was ended by what happened on its connection, and not by a timer or another
    one's.
    """

    number: int
    message: str
    is_by_event: bool = False


_WELL, _WELL_BY_EVENT = Ended(0, ""), Ended(0, "", is_by_event=True)


class Multi:
    """Runs any number of easy handles on the running loop.

    ``is_for_pages``: as browsers do it, over a few connections to each host, or one of HTTP/2.
    """

    def __init__(self, *, is_for_pages: bool = False) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended: dict[Any, asyncio.Future[Ended]] = {}
        self._kept: set[Any] = set()
        self._connections: dict[int, Connection] = {}
        self._queue: deque[tuple[int, int, int, int, Connection]] = deque()
        self._stalls = Stalls()
        self._has_news = False
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._timer_ns = 0
        self._due_ns: int | None = None
        self._continuing: asyncio.Handle | None = None
        self._epoll = select.epoll()
        self._loop.add_reader(self._epoll.fileno(), self._on_ready)
        self._multi = pycurl.CurlMulti()
        for option, value in (
            (pycurl.M_SOCKETFUNCTION, self._on_interest),
            (pycurl.M_TIMERFUNCTION, self._on_timer),
            (pycurl.M_NOTIFYFUNCTION, self._on_news),
            (pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX if is_for_pages else pycurl.PIPE_NOTHING),
        ):
            self._multi.setopt(option, value)
        if is_for_pages:
            self._multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, HOST_CONNECTIONS_MAX)
        self._multi.notify_enable(pycurl.M_NOTIFY_INFO_READ)
        self._socket_action = self._multi.socket_action

    async def perform(self, curl: Any, talk: Callable[[], Awaitable[None]] | None = None) -> Ended:
        """Transfer; cancelled, the handle is free at once.

        ``talk``: what is to be done over the connection that a CONNECT_ONLY transfer has made.
        """
        ended: asyncio.Future[Ended] = self._loop.create_future()
        self._ended[curl] = ended
        if talk is not None:
            self._kept.add(curl)
        self._multi.add_handle(curl)
        try:
            how = await ended
            if talk is not None and how.number == 0:
                await talk()
            return how
        finally:
            if talk is not None:
                self._kept.discard(curl)
            if self._ended.pop(curl, None) is not None:
                self._multi.remove_handle(curl)

    def expect(self, descriptor: int, connection: Connection) -> None:
        """Report what happens on a socket that libcurl has just opened to its observer."""
        connection.descriptor = descriptor
        self._connections[descriptor] = connection

    def end(self, curl: Any, ended: Ended) -> None:
        """End a transfer before its time; not from within a callback of libcurl's."""
        if curl in self._kept:
            future = self._ended.get(curl)
        elif (future := self._ended.pop(curl, None)) is not None:
            self._multi.remove_handle(curl)
        if future is not None and not future.done():
            future.set_result(ended)

    def touch(self, descriptor: int) -> None:
        """Have libcurl look at a connection though nothing happened on it."""
        self._multi.socket_action(descriptor, 0)
        if self._has_news:
            self._tell(None)

    def close(self) -> None:
        """Cancel what is in flight and let go of everything."""
        if self._epoll.closed:
            return
        while self._ended:
            curl, future = self._ended.popitem()
            self._multi.remove_handle(curl)
            future.cancel()
        self._multi.close()
        self._loop.remove_reader(self._epoll.fileno())
        for handle in (self._timer, self._continuing):
            if handle is not None:
                handle.cancel()
        self._epoll.close()
        self._stalls.close()
        self._queue.clear()

    def _on_interest(self, what: int, descriptor: int, _multi: Any, _socket: Any) -> None:
        """Take note that libcurl waits for other events on a socket, or for none any more."""
        connection = self._connections.get(descriptor)
        if connection is None:
            connection = self._connections[descriptor] = Connection(None, None)
        wanted = _EVENTS_OF[what]
        if not wanted:
            if connection.wanted:
                self._epoll.unregister(descriptor)
        elif connection.wanted:
            self._epoll.modify(descriptor, wanted)
        else:
            self._epoll.register(descriptor, wanted)
        # It stays known until its descriptor is another's: libcurl may only be putting it by.
        connection.wanted = wanted
        connection.is_armed = True

    def _on_ready(self) -> None:
        """Have libcurl act on what is ready, for a slice of time."""
        queue = self._queue
        began_ns = looked_ns = now_ns = self._look()
        while queue:
            now_ns = self._act(now_ns, *queue.popleft())
            if now_ns - looked_ns > _LONG_NS:
                looked_ns = now_ns = self._look()
                if looked_ns - began_ns > SLICE_NS:
                    break
        if queue and self._continuing is None:
            self._continuing = self._loop.call_soon(self._continue)

    def _continue(self) -> None:
        self._continuing = None
        self._on_ready()

    def _look(self) -> int:
        """Queue what has become ready, and return the time at which that was seen."""
        seen = self._epoll.poll(0, _EVENTS_MAX)
        now_ns = monotonic_ns()
        unseen_ns = self._stalls.looked(now_ns)
        for descriptor, events in seen:
            connection = self._connections[descriptor]
            connection.is_armed = False
            self._queue.append((descriptor, events, now_ns, unseen_ns, connection))
        return now_ns

    def _act(
        self,
        now_ns: int,
        descriptor: int,
        events: int,
        seen_ns: int,
        unseen_ns: int,
        connection: Connection,
    ) -> int:
        """Have libcurl act on an event; return the time when it has."""
        if not connection.wanted or self._connections[descriptor] is not connection:
            return now_ns
        observer = connection.observer
        if observer is None:
            self._socket_action(descriptor, _ACTION_OF[events])
            acted_ns = monotonic_ns()
        else:
            is_data = events & (_READABLE | _BROKEN) == _READABLE
            event = Event(connection, seen_ns, unseen_ns, is_data=is_data)
            observer.on_ready(event)
            self._socket_action(descriptor, _ACTION_OF[events])
            event.acted_ns = acted_ns = monotonic_ns()
            event.kept_ns = self._stalls.acted(acted_ns - event.began_ns)
            event.is_end = self._has_news
            observer.on_acted(event)
        if self._has_news:
            self._tell(observer)
        if connection.wanted and not connection.is_armed:
            self._epoll.modify(descriptor, connection.wanted)
            connection.is_armed = True
        return acted_ns

    def _on_timer(self, timeout_ms: int) -> None:
        """Keep the one time at which libcurl wants to act; -1: none.

        It mostly moves away, so a timer that is too early is left to find that out itself.
        """
        if timeout_ms < 0:
            self._due_ns = None
            return
        self._due_ns = monotonic_ns() + timeout_ms * 1_000_000
        if self._timer is None or self._due_ns < self._timer_ns:
            self._arm_timer(timeout_ms / 1000)

    def _arm_timer(self, wait_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ns = monotonic_ns() + int(wait_s * 1e9)
        if wait_s:
            self._timer = self._loop.call_later(wait_s, self._on_time)
        else:
            self._timer = self._loop.call_soon(self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        if self._due_ns is None:
            return
        early_ns = self._due_ns - monotonic_ns()
        if early_ns > _PUNCTUAL_NS:
            self._arm_timer(early_ns / 1e9)
            return
        self._socket_action(pycurl.SOCKET_TIMEOUT, 0)
        if self._has_news:
            self._tell(None)

    def _on_news(self, _what: int, _curl: Any) -> None:
        self._has_news = True

    def _tell(self, observer: Observer | None) -> None:
        """Let those know whose transfers have ended; by the event itself, if it concerned them."""
        self._has_news = False
        left = 1
        while left:
            left, done, failed = self._multi.info_read()
            for curl in done:
                is_by_event = observer is not None and observer.concerns(curl)
                self.end(curl, _WELL_BY_EVENT if is_by_event else _WELL)
            for curl, number, message in failed:
                self.end(curl, Ended(number, message))
