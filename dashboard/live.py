"""Tells open pages that results came in: one listening connection, any number of readers."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from dashboard.background import keep_doing
from dashboard.db import Database
from dashboard.errors import BadRequest, DatabaseAway, NotSignedIn
from dashboard.number import whole
from dashboard.queries import statements
from dashboard.rows.monitor import Own
from dashboard.session import visit

LOG = structlog.get_logger()
HEARTBEAT_S = 20.0
RETRY_S = 2.0
# What was told is remembered for as long as a page may take until it listens.
REMEMBERED_S = 60.0
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
            async with asyncio.timeout(heartbeat_s):
                await self._woken.wait()
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
        self._told: deque[tuple[float, frozenset[int]]] = deque()
        self._knows_since = float("inf")
        self._is_closed = False

    def is_full(self, account_id: int) -> bool:
        """Whether no further page of this account can be told."""
        own = sum(reader.account_id == account_id for reader in self._readers)
        return len(self._readers) >= MOST_PAGES or own >= MOST_PAGES_OF_AN_ACCOUNT

    @contextlib.contextmanager
    def reader(self, account_id: int, made_at: float | None = None) -> Iterator[Reader]:
        """A reader for as long as its page is open, told also of what came since it was made."""
        reader = Reader(account_id)
        if self._is_closed:
            reader.close()
        if made_at is not None:
            self._tell_since(reader, made_at)
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

    def listening_since(self, at: float) -> None:
        """From then on everything is heard."""
        self._knows_since = at

    def _tell_since(self, reader: Reader, made_at: float) -> None:
        if made_at < max(self._knows_since, time.time() - REMEMBERED_S):
            reader.tell(ANY)
        for told_at, ids in self._told:
            if told_at >= made_at:
                reader.tell(ids)

    async def run(self) -> None:
        """Listen for ever; after a break readers are told that anything may have happened."""
        await keep_doing("listening", self._listen, RETRY_S)

    async def _listen(self) -> None:
        async with self._database.listener() as connection:
            await connection.execute(statements()["listen"])
            LOG.info("listening_started")
            self.listening_since(time.time())
            self.tell(ANY)
            while True:
                async for notification in connection.notifies(timeout=HEARTBEAT_S):
                    self.tell(monitor_ids(notification.payload))
                await connection.execute(statements()["health"])

    def tell(self, monitor_ids: frozenset[int]) -> None:
        """Results of these monitors came in."""
        now = time.time()
        self._told.append((now, monitor_ids))
        while self._told[0][0] < now - REMEMBERED_S:
            self._told.popleft()
        for reader in self._readers:
            reader.tell(monitor_ids)


def monitor_ids(payload: str) -> frozenset[int]:
    """The payload's ids; anything that is no list of ids stands for all."""
    try:
        return frozenset(int(part) for part in payload.split(",")) if payload else ANY
    except ValueError:
        return ANY


async def stream(request: Request) -> Response:
    """Server-sent events: ``results`` with the ids of the account's monitors that have news.

    ``since``: when the page was made, Unix milliseconds; of what came meanwhile it hears at once.
    """
    hub: Hub = request.app.state.hub
    text = request.query_params.get("since")
    since = None if text is None else whole(text, 10**15)
    if text is not None and since is None:
        raise BadRequest(f"since={text} is no number of milliseconds.")

    async def look() -> frozenset[int]:
        async with visit(request) as (_, reader):
            return frozenset((await reader.the(Own, "own_monitors")).ids)

    async with visit(request) as (visitor, _):
        account_id = visitor.account_id
    if hub.is_full(account_id):
        return PlainTextResponse(
            "Too many pages are open; this one looks for itself twice a minute.\n",
            503,
            {"Retry-After": "30"},
        )
    return StreamingResponse(
        events(hub, account_id, look, made_at=None if since is None else since / 1000),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def events(
    hub: Hub,
    account_id: int,
    look: Look,
    heartbeat_s: float = HEARTBEAT_S,
    made_at: float | None = None,
) -> AsyncIterator[str]:
    """What one page is sent. ``look``: the monitors that it may hear of, asked at every heartbeat,
    however much comes in between: a session may have ended, a monitor may be new.
    """
    with hub.reader(account_id, made_at) as reader:
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
