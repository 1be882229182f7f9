"""The named statements of sql/*.sql: ``-- name --``, then one statement."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import cache
from importlib.resources import files


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
    return found


def by_width(name: str, width: timedelta) -> str:
    """The statement for buckets of this width: from an hour on, the one that reads whole hours."""
    return f"{name}_1h" if width >= timedelta(hours=1) else name
