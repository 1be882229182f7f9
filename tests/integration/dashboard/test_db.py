"""How visits share the connections to the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dashboard import db
from dashboard.errors import Busy, DatabaseAway
from tests.support.absence import away
from tests.support.database import Database
from tests.support.processes import free_port


@asynccontextmanager
async def opened(conninfo: str) -> AsyncIterator[db.Database]:
    reading = db.Database(conninfo)
    await reading.open()
    try:
        yield reading
    finally:
        await reading.close()


async def visit(reading: db.Database, holding_s: float) -> None:
    async with reading.transaction() as reader:
        await reader.run("health")
        await asyncio.sleep(holding_s)


async def test_visits_wait_for_their_turn_rather_than_be_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "POOL_WAIT_S", 30)
    async with opened(database.url(role="vantage_dashboard")) as reading:
        everyone = asyncio.Barrier(db.POOL_SIZE)

        async def meet() -> None:
            async with reading.transaction():
                await everyone.wait()

        await asyncio.gather(*(meet() for _ in range(db.POOL_SIZE)))
        # All are connected, so what takes longer than this is the crowd before.
        monkeypatch.setattr(reading._pool, "timeout", 1.0)
        await asyncio.gather(*(visit(reading, 0.5) for _ in range(4 * db.POOL_SIZE)))
        monkeypatch.setattr(db, "TURN_WAIT_S", 0.2)
        done = await asyncio.gather(
            *(visit(reading, 0.5) for _ in range(db.POOL_SIZE + 1)), return_exceptions=True
        )
        assert [type(each) for each in done] == [type(None)] * db.POOL_SIZE + [Busy]
        # Who gave up has left nothing behind.
        await asyncio.gather(*(visit(reading, 0) for _ in range(db.POOL_SIZE)))


async def test_a_database_that_is_away_is_not_waited_for_that_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(db, "POOL_WAIT_S", 0.5)
    async with opened(f"postgresql://nobody@127.0.0.1:{free_port()}/none") as reading:
        with pytest.raises(DatabaseAway) as raised:
            await visit(reading, 0)
        assert not isinstance(raised.value, Busy)


async def test_a_database_that_was_away_is_used_again_soon(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it was: the next attempt is never far. These take 5 s; were each as far again
    from the one before, a minute."""
    monkeypatch.setattr(db, "POOL_WAIT_S", 30)
    async with away(database.url(role="vantage_dashboard"), 20) as url, opened(url) as reading:
        await visit(reading, 0)
