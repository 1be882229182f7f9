"""One thing that people are told, and how its times are written. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is told. ``state``: down, degraded, up or none, for colour and words."""

    headline: str
    state: str
    lines: tuple[str, ...]
    link: str


def when(text: str, zone: ZoneInfo) -> str:
    """Write an instant by a zone's clocks."""
    return f"{datetime.fromisoformat(text).astimezone(zone):%-d %b %Y, %H:%M %Z}"


def again_since(facts: Mapping[str, Any]) -> str | None:
    """Since when an incident fails that was well for a while. None: it never was."""
    since_at: str | None = facts.get("failing_since_at")
    if since_at is None:
        return None
    is_again = datetime.fromisoformat(since_at) > datetime.fromisoformat(facts["began_at"])
    return since_at if is_again else None


def lasted(length: timedelta) -> str:
    """Write how long something lasted: 40 s, 12 min, 3 h 5 min, 2 d 4 h."""
    seconds = max(0, round(length.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
