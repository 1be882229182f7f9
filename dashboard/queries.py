"""The named statements of sql/*.sql: ``-- name --``, then one statement."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import cache
from importlib.resources import files

COLUMNS = {
    "series_columns": ("series", "series_10m", "series_30m", "series_1h"),
    "heat_columns": ("heat", "heat_10m", "heat_1h"),
}
"""Statements whose rows are asked for as columns too, and by which: as ``heat_1h_columns``."""

OF_DAYS = ("series_1d", "series_1d_columns", "heat_1d", "heat_1d_columns", "bands_1d")
"""Statements that read days as others read hours."""


@cache
def statements() -> dict[str, str]:
    """Every statement by its name."""
    found: dict[str, str] = {}
    for file in files("dashboard").joinpath("sql").iterdir():
        blocks = re.split(r"^-- (\w+) --$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for name, statement in zip(blocks[1::2], blocks[2::2], strict=True):
            if name in found:
                raise ValueError(f"two statements of sql/*.sql are named {name}")
            found[name] = statement.strip()
    for columns, names in COLUMNS.items():
        statement = found.pop(columns)
        for name in names:
            found[f"{name}_columns"] = statement.replace("%(rows)s", found[name])
    for name in OF_DAYS:
        hours = found[name.replace("_1d", "_1h")]
        found[name] = hours.replace("report.results_1h", "report.results_1d")
    return found


GRAINS = (
    ("_1d", timedelta(days=1)),
    ("_1h", timedelta(hours=1)),
    ("_30m", timedelta(minutes=30)),
    ("_10m", timedelta(minutes=10)),
)
"""How statements are named that read what is summed up, and the widths they take multiples of."""


def by_width(name: str, width: timedelta) -> str:
    """The statement for buckets of this width: the one that reads the fewest rows."""
    for suffix, grain in GRAINS:
        if f"{name}{suffix}" in statements() and not width % grain:
            return f"{name}{suffix}"
    return name
