"""The collector's pool of connections while the database comes and goes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import PoolTimeout

from collector import db
from tests.support.database import Database

AWAY_S = 3.5


async def test_a_database_that_was_away_is_used_again_soon(
    database: Database, tmp_path: Path
) -> None:
    """However long it was: the next attempt is never far."""
    url = database.url()
    socket = tmp_path / "socket"
    away = make_conninfo(url, host=str(socket))
    async with db.pool(away) as pool:
        with pytest.raises(PoolTimeout):  # as streams ask meanwhile
            await pool.getconn(AWAY_S)
        socket.symlink_to(str(conninfo_to_dict(url)["host"]))
        began = time.monotonic()
        async with pool.connection(20) as connection:
            await connection.execute("SELECT")
        # Were each attempt further from the one before, the next would be 3.5 s away.
        assert time.monotonic() - began < 3.0
