"""The collector's pool of connections while the database comes and goes."""

from __future__ import annotations

from collector import db
from tests.support.absence import away
from tests.support.database import Database


async def test_a_database_that_was_away_is_used_again_soon(database: Database) -> None:
    """However long it was: the next attempt is never far. These take 5 s; were each as far again
    from the one before, a minute."""
    async with away(database.url(), 20) as url, db.pool(url) as pool, pool.connection(30) as again:
        await again.execute("SELECT")
