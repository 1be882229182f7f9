"""The database as the report centre sees it: views and functions of schema ``report`` only.

Every visit is one transaction whose account is set for it alone, so that a connection that goes
back to the pool carries nobody's rights. psycopg's exceptions stop here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncClientCursor, AsyncConnection, AsyncCursor
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import AsyncRowFactory, RowMaker, class_row, dict_row, tuple_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from dashboard.errors import (
    Busy,
    DashboardError,
    DatabaseAway,
    Forbidden,
    NotFound,
    Unacceptable,
)
from dashboard.queries import statements
from dashboard.readiness import lacking

Row = TypeVar("Row")
First = TypeVar("First")
Second = TypeVar("Second")

POOL_SIZE = 10
POOL_WAIT_S = 5.0
TURN_WAIT_S = 20.0
CONNECT_WAIT_S = 5
# Between two attempts while the database is away.
RECONNECT_S = 0.5
REFUSALS: dict[str, type[Exception]] = {
    "VA400": Unacceptable,
    "VA403": Forbidden,
    "VA404": NotFound,
    "VA409": Unacceptable,
}
"""What the functions of schema ``report`` raise: collector/sql/views/20_people.sql."""


class Reader:
    """Runs named statements inside one transaction."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection

    async def all(self, row: type[Row], name: str, /, **values: object) -> list[Row]:
        """Every row of statement ``name``, as ``row`` built from its columns."""
        return await self._read(row, name, values)

    async def columns(self, row: type[Row], name: str, /, **values: object) -> list[Row]:
        """The same where rows hold long arrays, of numbers and texts: in PostgreSQL's binary form
        they take a third of the time to read."""
        return await self._read(row, name, values, binary=True)

    async def _read(
        self, row: type[Row], name: str, values: dict[str, object], *, binary: bool = False
    ) -> list[Row]:
        async with self._connection.cursor(binary=binary, row_factory=_rows_of(row)) as cursor:
            await cursor.execute(statements()[name], values)
            return await cursor.fetchall()

    async def one(self, row: type[Row], name: str, /, **values: object) -> Row | None:
        """The first row of statement ``name``. None: there is none."""
        rows = await self.all(row, name, **values)
        return rows[0] if rows else None

    async def the(self, row: type[Row], name: str, /, **values: object) -> Row:
        """The one row of statement ``name``, which always gives one."""
        (found,) = await self.all(row, name, **values)
        return found

    async def stream(self, name: str, /, **values: object) -> AsyncIterator[dict[str, Any]]:
        """Every row of statement ``name``, of which memory holds a few at a time."""
        async with self._connection.cursor(name, row_factory=dict_row) as cursor:
            await cursor.execute(statements()[name], values)
            async for row in cursor:
                yield row

    async def table(self, name: str, /, **values: object) -> AsyncIterator[Sequence[Any]]:
        """The names of statement ``name``'s columns, then each row's values, as of `stream`."""
        async with self._connection.cursor(name, row_factory=tuple_row) as cursor:
            await cursor.execute(statements()[name], values)
            yield [column.name for column in cursor.description or ()]
            async for row in cursor:
                yield row

    async def run(self, name: str, /, **values: object) -> None:
        """Run statement ``name`` for its effect."""
        await self._connection.execute(statements()[name], values)

    def text(self, name: str, /, **values: object) -> str:
        """Statement ``name`` with its values written in, as one would paste it into psql."""
        return AsyncClientCursor(self._connection).mogrify(statements()[name], values)


async def both(
    one: Coroutine[Any, Any, First], other: Coroutine[Any, Any, Second]
) -> tuple[First, Second]:
    """What two give that run side by side. Raises what either raises, once neither runs any more:
    what they asked by belongs to others then."""
    try:
        async with asyncio.TaskGroup() as group:
            first, second = group.create_task(one), group.create_task(other)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return first.result(), second.result()


def _rows_of(row: type[Row]) -> AsyncRowFactory[Row]:
    """Build ``row`` from columns by their place where the statement gives them in the class's own
    order, as most do: a quarter of the time that it takes by their names."""

    # Both dataclasses and structs name what they are built from by place.
    names = getattr(row, "__match_args__", ())

    def factory(cursor: AsyncCursor[Any]) -> RowMaker[Row]:
        # The cursor's description says far more of each column, and takes ten times as long.
        found = cursor.pgresult
        if found and names == tuple(
            (found.fname(at) or b"").decode() for at in range(found.nfields)
        ):
            return lambda values: row(*values)
        return class_row(row)(cursor)

    return factory


class Database:
    """A pool of connections that act as the report centre's own role."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        # Visits wait for their turn here, so that whoever waits for the pool waits for the server.
        self._turns = asyncio.Semaphore(POOL_SIZE)
        self._pool = AsyncConnectionPool(
            conninfo,
            # A page asks over two.
            min_size=2,
            max_size=POOL_SIZE,
            timeout=POOL_WAIT_S,
            kwargs={
                "application_name": "vantage-dashboard",
                "autocommit": True,
                "connect_timeout": CONNECT_WAIT_S,
                # To plan what reads many chunks takes longer than to run it: once a connection.
                "prepare_threshold": 0,
            },
            configure=_become_dashboard,
            check=_begin,
            # Its own pauses double: after an outage it would stay away as long again.
            reconnect_timeout=RECONNECT_S,
            reconnect_failed=AsyncConnectionPool.check,
            open=False,
        )

    @property
    def is_crowded(self) -> bool:
        """Whether the next visit has to wait for its turn."""
        return self._turns.locked()

    async def open(self) -> None:
        """Start filling the pool; does not wait for it."""
        await self._pool.open()

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Reader]:
        """One transaction.

        Raises: DatabaseAway where the database cannot be reached or the connection breaks; Busy
        where too many others go before; Unacceptable, Forbidden or NotFound where a function of
        schema ``report`` refuses.
        """
        try:
            # Whoever gets a connection is within its transaction, which ends as it is given back.
            async with self._turn(), self._pool.connection() as connection:
                yield Reader(connection)
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise DatabaseAway(f"The database does not answer: {first_line(error)}") from error
        except psycopg.Error as error:
            if error.sqlstate not in REFUSALS:
                raise
            raise REFUSALS[error.sqlstate](error.diag.message_primary) from error

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self.is_crowded:
            try:
                async with asyncio.timeout(TURN_WAIT_S):
                    await self._turns.acquire()
            except TimeoutError as error:
                raise Busy("Too many people are reading at this moment.") from error
        else:
            await self._turns.acquire()
        try:
            yield
        finally:
            self._turns.release()

    @asynccontextmanager
    async def listener(self) -> AsyncIterator[AsyncConnection[Any]]:
        """A connection of its own, for LISTEN.

        Raises: DatabaseAway where the database cannot be reached or the connection breaks.
        """
        try:
            async with await AsyncConnection.connect(
                self._conninfo,
                application_name="vantage-dashboard-live",
                autocommit=True,
                connect_timeout=CONNECT_WAIT_S,
            ) as connection:
                await _become_dashboard(connection)
                yield connection
        except psycopg.OperationalError as error:
            raise DatabaseAway(f"The database does not answer: {first_line(error)}") from error


async def _begin(connection: AsyncConnection[Any]) -> None:
    """Begin the visit's transaction. A connection that broke meanwhile cannot, and the pool gives
    another: so no question is asked only to see whether it is there."""
    await connection.execute("BEGIN", prepare=False)


async def _become_dashboard(connection: AsyncConnection[Any]) -> None:
    """Drop every right but the report centre's, whoever the URL signs in as."""
    await connection.execute(statements()["become_dashboard"], prepare=False)
    # Several at once, which cannot be prepared.
    await connection.execute(statements()["bound_statements"], prepare=False)


def require(conninfo: str) -> None:
    """See that the database is there and ready.

    Raises: DashboardError, whose message says what to do.
    """
    try:
        conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError as error:
        # libpq's own message repeats the text, and with it a password.
        raise DashboardError(
            "The database's URL cannot be read: it must be like "
            "postgresql://user@host:5432/vantage."
        ) from error
    try:
        with psycopg.connect(conninfo, connect_timeout=CONNECT_WAIT_S, autocommit=True) as seen:
            row = seen.execute(statements()["readiness"]).fetchone()
            if row is None or not row[0]:
                raise DashboardError(
                    "The database holds no Vantage schema. "
                    "Run `vantage-collector migrate` on it first."
                )
            seen.execute(statements()["become_dashboard"])
            if said := lacking(seen):
                raise DashboardError(
                    f"The database's schema is another than this program's: {said}. Bring it up to "
                    "date with: vantage-collector migrate, which tells if this program is the "
                    "older."
                )
    except psycopg.errors.InsufficientPrivilege as error:
        raise DashboardError(
            "The database's user may not act as vantage_dashboard. Sign in as vantage_dashboard, "
            "or grant that role to the user of --database."
        ) from error
    except psycopg.Error as error:
        raise DashboardError(
            f"The database does not answer: {first_line(error)}. "
            "Check --database and that the server runs."
        ) from error


def first_line(error: BaseException) -> str:
    """Return what a driver said, without its hints and without a full stop."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
