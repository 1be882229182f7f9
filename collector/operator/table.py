"""Rows for people, or for scripts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


def show(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print rows as aligned columns under their names, or all their fields as a JSON array."""
    rows = list(rows)
    if as_json:
        click.echo(json.dumps(rows, default=str, indent=2))
        return
    table = [[heading(name) for name in columns]]
    table += [[cell(row[name], name) for name in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def heading(name: str) -> str:
    """Write a column's name as people read it; its unit stands with the values."""
    return name.removeprefix("is_").removesuffix("_us").removesuffix("_s").upper().replace("_", " ")


def cell(value: object, name: str = "") -> str:
    """Write one value, of the column ``name``, as people read it; a dash for none."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int() if name.endswith("_us"):
            return f"{value / 1000:,.12g} ms"
        case int() if name.endswith("_s"):
            return f"{value} s"
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S %Z")
        case list():
            return ",".join(map(str, value)) or "-"
        case _:
            return str(value)
