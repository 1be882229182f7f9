"""Tells open pages that results came in: one listening connection, any number of readers."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from dashboard.background import keep_doing
from dashboard.db import Database
from dashboard.errors import DatabaseAway, NotSignedIn
from dashboard.queries import statements
from dashboard.rows.monitor import Monitor
from dashboard.session import visit

LOG = structlog.get_logger()
HEARTBEAT_S = 20.0
RETRY_S = 2.0
ANY: frozenset[int] = frozenset()
"""Stands for “something, anywhere”: readers look for themselves."""


MOST_PAGES = 2_000
MOST_PAGES_OF_AN_ACCOUNT = 300
"""Each holds a connection open; a page without one looks for itself twice a minute."""

Look = Callable[[], Awaitable[frozenset[int]]]


class Reader:
    """One open page: gathers what happened until it is asked."""

    def __init__(self, account_id: int = 0) -> None:
        self.account_id = account_id
        self._news: set[int] = set()
        self._is_any = False
        self._woken = asyncio.Event()
        self.is_closed = False

    def tell(self, monitor_ids: frozenset[int]) -> None:
        """Results of these monitors came in."""
        self._news |= monitor_ids
        self._is_any |= not monitor_ids
        self._woken.set()

    def close(self) -> None:
        """Let the page's stream end."""
        self.is_closed = True
        self._woken.set()

    async def wait(self, heartbeat_s: float = HEARTBEAT_S) -> frozenset[int] | None:
        """What came in since the last call, at the latest after a heartbeat. None: nothing."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), heartbeat_s)
        self._woken.clear()
        news = frozenset(self._news)
        told = ANY if self._is_any else (news or None)
        self._news.clear()
        self._is_any = False
        return told


class Hub:
    """Fans notifications out to readers; keeps listening, whatever the database does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._readers: set[Reader] = set()
        self._is_closed = False

    def is_full(self, account_id: int) -> bool:
        """Whether no further page of this account can be told."""
        own = sum(reader.account_id == account_id for reader in self._readers)
        return len(self._readers) >= MOST_PAGES or own >= MOST_PAGES_OF_AN_ACCOUNT

    @contextlib.contextmanager
    def reader(self, account_id: int) -> Iterator[Reader]:
        """A reader for as long as its page is open."""
        reader = Reader(account_id)
        if self._is_closed:
            reader.close()
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)

    def close(self) -> None:
        """Let every stream end."""
        self._is_closed = True
        for reader in self._readers:
            reader.close()

    async def run(self) -> None:
        """Listen for ever; after a break readers are told that anything may have happened."""
        await keep_doing("listening", self._listen, RETRY_S)

    async def _listen(self) -> None:
        async with self._database.listener() as connection:
            await connection.execute(statements()["listen"])
            LOG.info("listening_started")
            self.tell(ANY)
            while True:
                async for notification in connection.notifies(timeout=HEARTBEAT_S):
                    self.tell(monitor_ids(notification.payload))
                await connection.execute(statements()["health"])

    def tell(self, monitor_ids: frozenset[int]) -> None:
        """Results of these monitors came in."""
        for reader in self._readers:
            reader.tell(monitor_ids)


def monitor_ids(payload: str) -> frozenset[int]:
    """The payload's ids; anything that is no list of ids stands for all."""
    try:
        return frozenset(int(part) for part in payload.split(",")) if payload else ANY
    except ValueError:
        return ANY


async def stream(request: Request) -> Response:
    """Server-sent events: ``results`` with the ids of the account's monitors that have news."""
    hub: Hub = request.app.state.hub

    async def look() -> frozenset[int]:
        async with visit(request) as (_, reader):
            return frozenset(monitor.id for monitor in await reader.all(Monitor, "monitors"))

    async with visit(request) as (visitor, _):
        account_id = visitor.account_id
    if hub.is_full(account_id):
        return PlainTextResponse(
            "Too many pages are open; this one looks for itself twice a minute.\n",
            503,
            {"Retry-After": "30"},
        )
    return StreamingResponse(
        events(hub, account_id, look),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def events(
    hub: Hub, account_id: int, look: Look, heartbeat_s: float = HEARTBEAT_S
) -> AsyncIterator[str]:
    """What one page is sent. ``look``: the monitors that it may hear of, asked at every heartbeat,
    however much comes in between: a session may have ended, a monitor may be new.
    """
    with hub.reader(account_id) as reader:
        yield "retry: 2000\n\n"
        looked_at, own = float("-inf"), ANY
        while not reader.is_closed:
            if time.monotonic() - looked_at >= heartbeat_s:
                try:
                    own = await look()
                except (NotSignedIn, DatabaseAway):
                    return
                looked_at = time.monotonic()
                yield ": still here\n\n"
            news = await reader.wait(heartbeat_s)
            if news is not None and not reader.is_closed and (news == ANY or news & own):
                ids = ",".join(str(monitor_id) for monitor_id in sorted(news & own))
                yield f"event: results\ndata: {ids}\n\n"
