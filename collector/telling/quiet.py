"""Hours in which a channel is told nothing, as they are typed. Pure."""

from __future__ import annotations

import re
from datetime import time

from collector.errors import CollectorError

_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
QUIET = f"{_CLOCK}-{_CLOCK}"


def quiet_hours(text: str | None) -> tuple[time | None, time | None]:
    """Read ``22:00-07:00``. None: there are none. Raises: CollectorError."""
    if text is None:
        return None, None
    if not re.fullmatch(QUIET, text):
        raise CollectorError(f"{text!r} are no quiet hours; they have the form 22:00-07:00.")
    begin, _, end = text.partition("-")
    return time.fromisoformat(begin), time.fromisoformat(end)


def written(quiet_from: time | None, quiet_to: time | None) -> str | None:
    """Write them as they are typed."""
    return f"{quiet_from:%H:%M}-{quiet_to:%H:%M}" if quiet_from and quiet_to else None
