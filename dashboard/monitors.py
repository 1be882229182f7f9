"""The account's monitors, as every list of them has them."""

from __future__ import annotations

from dashboard import words
from dashboard.db import Reader
from dashboard.rows.monitor import Monitor


async def listed(reader: Reader) -> list[Monitor]:
    """All of them, by their names."""
    found = await reader.all(Monitor, "monitors")
    return sorted(found, key=lambda monitor: words.order(monitor.name))
