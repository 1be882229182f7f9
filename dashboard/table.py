"""Rows as a file to take along: CSV, JSON or Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, get_type_hints

import msgspec
from starlette.responses import Response

from dashboard import parquet
from vantage import spreadsheet

MEDIA_TYPES = {
    "csv": "text/csv",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
}


def encode(form: str, shape: type[Any], rows: Sequence[Any]) -> bytes:
    """The file. ``shape``: the rows' dataclass, whose fields are the columns, also of no rows.

    Raises: BadRequest where Parquet is asked for and its extra is missing.
    """
    if form == "json":
        return msgspec.json.encode(rows, enc_hook=str)
    columns = get_type_hints(shape)
    if form == "parquet":
        return parquet.encode(columns, [asdict(row) for row in rows])
    return spreadsheet.encode([columns, *(asdict(row).values() for row in rows)])


def attached(name: str, form: str, shape: type[Any], rows: Sequence[Any]) -> Response:
    """The file as a download of that name."""
    return Response(
        encode(form, shape, rows),
        media_type=MEDIA_TYPES[form],
        headers={"Content-Disposition": f'attachment; filename="{name}.{form}"'},
    )
