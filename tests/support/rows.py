"""Rows in PostgreSQL's binary COPY format, read again: what the collector would store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def named(row: bytes, columns: Mapping[str, str]) -> dict[str, Any]:
    """Return a row's values by column; None: NULL. Fails where it is no row of these columns."""
    assert int.from_bytes(row[:2]) == len(columns)
    values: dict[str, Any] = {}
    at = 2
    for name, kind in columns.items():
        length = int.from_bytes(row[at : at + 4], signed=True)
        at += 4
        if length == -1:
            values[name] = None
            continue
        cell = row[at : at + length]
        assert len(cell) == length, name
        at += length
        values[name] = value(cell, kind)
    assert at == len(row), "there is more in the row than its columns"
    return values


def value(cell: bytes, kind: str) -> Any:
    """Read one value."""
    if kind.startswith("int"):
        assert len(cell) == int(kind[3:])
        return int.from_bytes(cell, signed=True)
    return cell.decode() if kind == "text" else cell
