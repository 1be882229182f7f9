"""Any number of exchanges by libcurl at once.

Easy handles are pooled; connections, names and TLS sessions never are: a monitor measures what a
new visitor sees. Only those of one page share connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pycurl

from agent.content import Content
from agent.guard import Address, Guard
from agent.line import Line
from agent.multi import Ended, Multi
from agent.result import Request
from agent.transfer import PLAIN, Handle, Transfer
from agent.visit import Visit
from vantage.url import Target

# What is done over a connection once it is made.
Talk = Callable[[Line], Awaitable[None]]


class Engine:
    """Runs any number of exchanges at once on one event loop.

    ``is_for_pages``: those of one visit share connections; each is to be given one.
    """

    def __init__(
        self,
        guard: Guard,
        authorities: Path,
        source_address: str | None,
        *,
        is_for_pages: bool = False,
    ) -> None:
        self._guard = guard
        self._authorities = authorities
        self._source_address = source_address
        self._idle: list[Handle] = []
        self._multi = Multi(is_for_pages=is_for_pages)
        self._is_for_pages = is_for_pages
        self._forgotten: list[str] = []

    async def exchange(
        self,
        target: Target,
        addresses: Sequence[Address],
        timeout_us: int,
        request: Request = PLAIN,
        content: Content | None = None,
        talk: Talk | None = None,
        visit: Visit | None = None,
    ) -> Transfer:
        """Make ``request`` of ``target``, at whichever of ``addresses`` answers first.

        Only of HTTP and WebSocket is anything asked; with other schemes it is the connection that
        is made. ``content``: keeps what the response brings; None: nobody needs it. ``talk``: goes
        on over the connection, unless the scheme is HTTP.
        """
        handle = self._idle.pop() if self._idle else self._new_handle()
        handle.prepare(target, addresses, timeout_us, request, content)
        if visit is not None:
            handle.join(visit, target, addresses, self._forgotten)
            self._forgotten = []
        try:
            if talk is None:
                ended = await self._multi.perform(handle.curl)
            else:
                ended = await self._perform_and(talk, handle, timeout_us)
        except BaseException:
            handle.close()
            raise
        transfer = handle.finish(ended)
        if handle.is_reusable:
            self._idle.append(handle)
        else:
            handle.close()
        return transfer

    async def _perform_and(self, talk: Talk, handle: Handle, timeout_us: int) -> Ended:
        """Transfer and go on; libcurl itself never gives up waiting for a WebSocket."""
        late = Ended(pycurl.E_OPERATION_TIMEDOUT, f"no answer within {timeout_us / 1e6:g} s")
        timer = asyncio.get_running_loop().call_later(
            timeout_us / 1e6, self._multi.end, handle.curl, late
        )
        try:
            return await self._multi.perform(handle.curl, lambda: talk(handle.line()))
        finally:
            timer.cancel()

    def end(self, visit: Visit) -> None:
        """Shut the connections of a visit; none of its exchanges may be in flight."""
        self._forgotten += visit.end()

    async def close(self) -> None:
        """End what is in flight (it is cancelled) and free every handle."""
        self._multi.close()
        while self._idle:
            self._idle.pop().close()

    def _new_handle(self) -> Handle:
        handle = Handle(self._multi, self._guard, self._authorities, self._source_address)
        if self._is_for_pages:
            handle.curl.setopt(pycurl.FRESH_CONNECT, 0)
            handle.curl.setopt(pycurl.FORBID_REUSE, 0)
            handle.curl.setopt(pycurl.DNS_CACHE_TIMEOUT, -1)
        return handle
