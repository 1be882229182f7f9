"""Rows as PostgreSQL's binary COPY takes them: each value after its length, in network order.

Source: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from struct import Struct
from typing import Any

import psycopg
from psycopg.rows import DictRow
from psycopg.sql import SQL, Identifier

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"

_int2, _int4, _int8 = (Struct(f">i{code}").pack for code in "hiq")
_length = Struct(">i").pack
_columns = Struct(">h").pack


def int2(value: int | None) -> bytes:
    """Encode a smallint; None: NULL."""
    return NULL if value is None else _int2(2, value)


def int4(value: int | None) -> bytes:
    """Encode an integer; None: NULL."""
    return NULL if value is None else _int4(4, value)


def int8(value: int | None) -> bytes:
    """Encode a bigint; None: NULL."""
    return NULL if value is None else _int8(8, value)


def bytea(value: bytes | None) -> bytes:
    """Encode bytes, or a value of any other type whose binary form they are."""
    return NULL if value is None else _length(len(value)) + value


def text(value: str | None) -> bytes:
    """Encode a text, or the name of an enum's value."""
    return NULL if value is None else bytea(value.encode())


TYPES: dict[str, Callable[[Any], bytes]] = {
    "int2": int2,
    "int4": int4,
    "int8": int8,
    "bytea": bytea,
    "text": text,
}


def encode(columns: Mapping[str, str], values: Iterable[Any]) -> bytes:
    """Make a row: a value for each column, by the column's type."""
    cells = [TYPES[kind](value) for kind, value in zip(columns.values(), values, strict=True)]
    return _columns(len(cells)) + b"".join(cells)


async def copy(
    cursor: psycopg.AsyncCursor[DictRow],
    table: str,
    columns: Iterable[str],
    rows: list[bytes],
) -> None:
    """COPY encoded rows into a table of schema vantage."""
    if not rows:
        return
    async with cursor.copy(_statement(table, tuple(columns))) as writer:
        await writer.write(b"".join((HEADER, *rows, TRAILER)))


@cache
def _statement(table: str, columns: tuple[str, ...]) -> bytes:
    return (
        SQL("COPY vantage.{} ({}) FROM STDIN (FORMAT BINARY)")
        .format(Identifier(table), SQL(", ").join(map(Identifier, columns)))
        .as_bytes()
    )
