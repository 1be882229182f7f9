"""PostgreSQL: named statements and connections. The only module that knows how to reach it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, LiteralString, cast

import psycopg
import structlog
from psycopg.errors import UndefinedColumn, UndefinedFunction, UndefinedTable
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from collector.errors import CollectorError, TransientError

log = structlog.get_logger()

Connection = psycopg.Connection[DictRow]
AsyncConnection = psycopg.AsyncConnection[DictRow]
Pool = AsyncConnectionPool[AsyncConnection]

UNREADABLE = (
    "The database's URL cannot be read: it must be like postgresql://user@host:5432/vantage."
)
NO_SCHEMA = "The database holds no Vantage schema yet. Make it with: vantage-collector migrate"
UNDEFINED = (UndefinedTable, UndefinedColumn, UndefinedFunction)
"""What a statement meets where the schema is not that of this program."""
SQL = Path(__file__).parent / "sql"

RECONNECT_S = 0.5

BLOCK = re.compile(r"^-- (\w+) --$", re.MULTILINE)


@cache
def queries(topic: str) -> Mapping[str, LiteralString]:
    """Return the named statements of ``sql/queries/TOPIC.sql``, which are ``-- name --`` blocks."""
    parts = BLOCK.split((SQL / "queries" / f"{topic}.sql").read_text())[1:]
    # Files of this package are as trustworthy as its code.
    return cast(
        Mapping[str, LiteralString],
        {name: text.strip() for name, text in zip(parts[::2], parts[1::2], strict=True)},
    )


async def connect(url: str) -> AsyncConnection:
    """Open an autocommitting connection with rows as dictionaries.

    Raises: TransientError when the database cannot be reached.
    """
    try:
        return await psycopg.AsyncConnection.connect(
            url, autocommit=True, row_factory=dict_row, connect_timeout=5
        )
    except psycopg.OperationalError as error:
        raise TransientError(f"The database does not answer: {first_line(error)}") from error


def pool(url: str) -> Pool:
    """Return a pool of such connections, to be opened.

    While the database is away it is tried every half second: the pool's own pauses double without
    an end, and after an outage of a minute the next attempt could be another minute away.
    """
    return AsyncConnectionPool(
        url,
        min_size=1,
        max_size=8,
        kwargs={"autocommit": True, "row_factory": dict_row, "connect_timeout": 5},
        reconnect_timeout=RECONNECT_S,
        reconnect_failed=AsyncConnectionPool.check,
        open=False,
    )


async def fetch_one(pool: Pool, topic: str, statement: str, **parameters: Any) -> DictRow | None:
    """Run a named statement; return its first row. None: there is none.

    Raises: psycopg.OperationalError, or PoolTimeout when no connection comes free within 5 s.
    """
    async with pool.connection(5) as connection:
        cursor = await connection.execute(queries(topic)[statement], parameters)
        return await cursor.fetchone() if cursor.description else None


@contextmanager
def session(url: str) -> Iterator[Connection]:
    """Open a connection for an operator's command: one transaction, rows as dictionaries.

    Raises: CollectorError with a sentence for whatever the database refuses.
    """
    try:
        connection = psycopg.connect(url, row_factory=dict_row, connect_timeout=5)
    except psycopg.OperationalError as error:
        raise CollectorError(f"The database does not answer: {first_line(error)}.") from error
    except psycopg.ProgrammingError as error:
        # libpq's own message repeats the text, and with it a password.
        raise CollectorError(UNREADABLE) from error
    try:
        with connection:
            yield connection
    except UndefinedTable as error:
        raise CollectorError(NO_SCHEMA) from error
    except (UndefinedColumn, UndefinedFunction) as error:
        raise CollectorError(
            f"The database's schema is another than this program's: {first_line(error)}. Bring it "
            "up to date with: vantage-collector migrate, which tells if this program is the older."
        ) from error
    except psycopg.OperationalError as error:
        raise CollectorError(f"The database went away: {first_line(error)}.") from error
    except psycopg.Error as error:
        if (error.sqlstate or "").startswith("VA"):  # refused, with a sentence for the reader
            raise CollectorError(str(error.diag.message_primary)) from error
        if not isinstance(error, psycopg.errors.InsufficientPrivilege):
            raise
        raise CollectorError(
            f"The database refuses this: {first_line(error)}. Connect as a role that may write, "
            "such as vantage_collector."
        ) from error


def unsuitable(error: Exception) -> str:
    """Log that a statement met one of ``UNDEFINED``; return what an agent is told of it."""
    remedy = "vantage-collector migrate, which tells if this program is the older"
    log.error("schema_unsuitable", reason=first_line(error), remedy=remedy)
    return "The collector and its database's schema are of two versions. Try again."


def first_line(error: Exception) -> str:
    """Return what PostgreSQL or libpq said, without the hint and context lines."""
    return str(error).strip().partition("\n")[0].rstrip(".")
