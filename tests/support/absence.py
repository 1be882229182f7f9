"""A database that is away for the first attempts to reach it, on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.support.proxies import Ends, join
from tests.support.targets import Connection, serve


@asynccontextmanager
async def away(url: str, attempts: int) -> AsyncIterator[str]:
    """The address at which ``url`` is reached once so many attempts have failed."""
    server = conninfo_to_dict(url)
    host, port = str(server["host"]), server.get("port") or 5432

    async def opened() -> Ends:
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, int(port))

    async def answer(connection: Connection) -> None:
        if target.connections > attempts:
            await join((connection.reader, connection.writer), await opened())

    async with serve(answer) as target:
        # Without the questions that are asked first over TCP: each is an attempt of its own.
        silent = {"sslmode": "disable", "gssencmode": "disable"}
        yield make_conninfo(url, host="127.0.0.1", port=target.port, **silent)
