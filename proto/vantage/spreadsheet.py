"""Rows as CSV (RFC 4180) that no spreadsheet takes for formulas.

Targets and people choose what stands in a text; a program that opens the file shall not run it. The
same numbers as JSON are exact.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\0")


def cell(value: Any) -> Any:
    """A value as it may stand in a cell: a text that begins like a formula begins with a quote, and
    several values have commas between them; what has parts is JSON."""
    if isinstance(value, list):
        return cell(", ".join(str(_whole(each)) for each in value))
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULAS) else value


def _whole(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict) else value


def encode(rows: Iterable[Iterable[Any]]) -> bytes:
    """Lines of a CSV file."""
    text = io.StringIO()
    csv.writer(text).writerows([cell(value) for value in row] for row in rows)
    return text.getvalue().encode()
