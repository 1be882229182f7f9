"""Tells open pages that results came in: one listening connection, any number of readers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import structlog
from psycopg import Error
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

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


class Reader:
    """One open page: gathers what happened until it is asked."""

    def __init__(self) -> None:
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

    async def wait(self) -> frozenset[int] | None:
        """What came in since the last call, at the latest after a heartbeat. None: nothing."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), HEARTBEAT_S)
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

    @contextlib.contextmanager
    def reader(self) -> Iterator[Reader]:
        """A reader for as long as its page is open."""
        reader = Reader()
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
        while True:
            try:
                await self._listen()
            except (DatabaseAway, Error) as error:
                LOG.warning("listening_interrupted", reason=str(error).strip())
            await asyncio.sleep(RETRY_S)

    async def _listen(self) -> None:
        connection = await self._database.listener()
        async with connection:
            await connection.execute(statements()["listen"])
            LOG.info("listening_started")
            self._tell(ANY)
            while True:
                async for notification in connection.notifies(timeout=HEARTBEAT_S):
                    self._tell(monitor_ids(notification.payload))
                await connection.execute(statements()["health"])

    def _tell(self, monitor_ids: frozenset[int]) -> None:
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
    own = await _own_monitors(request)
    return StreamingResponse(
        _events(request, own),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(request: Request, own: frozenset[int]) -> AsyncIterator[str]:
    hub: Hub = request.app.state.hub
    with hub.reader() as reader:
        yield "retry: 2000\n\n"
        while True:
            news = await reader.wait()
            if reader.is_closed:
                return
            if news is None:
                # The heartbeat is also when a session that ended, and a new monitor, are noticed.
                try:
                    own = await _own_monitors(request)
                except (NotSignedIn, DatabaseAway):
                    return
                yield ": still here\n\n"
            elif news == ANY or news & own:
                ids = ",".join(str(monitor_id) for monitor_id in sorted(news & own))
                yield f"event: results\ndata: {ids}\n\n"


async def _own_monitors(request: Request) -> frozenset[int]:
    async with visit(request) as (_, reader):
        return frozenset(monitor.id for monitor in await reader.all(Monitor, "monitors"))
