"""Rows as a Parquet file, where the extra ``parquet`` is installed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from dashboard.errors import BadRequest


def encode(shape: type[Any], rows: Sequence[Any]) -> bytes:
    """The file. ``shape``: the rows' dataclass, whose fields are the columns, also of no rows.

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
        bool: pyarrow.bool_(),
        datetime: pyarrow.timestamp("us", tz="UTC"),
    }
    kinds |= {list[int]: pyarrow.list_(kinds[int]), list[str]: pyarrow.list_(kinds[str])}
    columns = {name: kinds.get(_plain(kind)) for name, kind in get_type_hints(shape).items()}
    # What Parquet has no kind for, such as a time by some clock, is a text.
    texts = [name for name, kind in columns.items() if kind is None]
    values = [asdict(row) for row in rows]
    for row in values:
        row.update({name: str(row[name]) for name in texts if row[name] is not None})
    schema = pyarrow.schema((name, kind or pyarrow.string()) for name, kind in columns.items())
    table = pyarrow.Table.from_pylist(values, schema)
    out = io.BytesIO()
    parquet.write_table(table, out)
    return out.getvalue()


def _plain(kind: Any) -> Any:
    """``int`` of ``int | None``: every column of a file may hold null."""
    if get_origin(kind) is UnionType:
        return next(part for part in get_args(kind) if part is not type(None))
    return kind
