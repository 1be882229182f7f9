"""Rows as a Parquet file, where the extra ``parquet`` is installed."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import UnionType
from typing import Any, get_args, get_origin

import msgspec

from dashboard.errors import BadRequest


def encode(columns: Mapping[str, Any], rows: Sequence[dict[str, Any]]) -> bytes:
    """The file. ``columns``: their names and types, also of no rows.

    Raises: BadRequest where the extra is missing.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise BadRequest(
            "This report centre cannot write Parquet: the extra vantage-monitor[parquet] is not "
            "installed. CSV and JSON hold the same numbers."
        ) from error
    kinds = {
        str: pyarrow.string(),
        int: pyarrow.int64(),
        float: pyarrow.float64(),
        Decimal: pyarrow.float64(),
        bool: pyarrow.bool_(),
        datetime: pyarrow.timestamp("us", tz="UTC"),
    }
    kinds |= {list[int]: pyarrow.list_(kinds[int]), list[str]: pyarrow.list_(kinds[str])}
    plain = {name: _plain(kind) for name, kind in columns.items()}
    # What Parquet has no kind for, such as a time by some clock, is a text.
    casts: dict[str, Callable[[Any], Any]] = {
        name: float if kind is Decimal else _text
        for name, kind in plain.items()
        if kind is Decimal or kind not in kinds
    }
    values = [
        {**row, **{name: to(row[name]) for name, to in casts.items() if row[name] is not None}}
        for row in rows
    ]
    schema = pyarrow.schema(
        (name, kinds.get(kind, pyarrow.string())) for name, kind in plain.items()
    )
    table = pyarrow.Table.from_pylist(values, schema)
    out = io.BytesIO()
    parquet.write_table(table, out)
    return out.getvalue()


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode() if isinstance(value, list) else str(value)


def _plain(kind: Any) -> Any:
    """``int`` of ``int | None``: every column of a file may hold null."""
    if get_origin(kind) is UnionType:
        return next(part for part in get_args(kind) if part is not type(None))
    return kind
