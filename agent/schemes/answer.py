"""The text that a server gave us, as it may be stored and shown."""

from __future__ import annotations

import re

MAX_CHARACTERS = 1000

# A line feed may stay; NUL cannot be stored, an escape sequence must not reach a terminal.
_UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]+")


def printable(text: str) -> str:
    """Return a stranger's text without what is no character, and no longer than is kept."""
    clean = _UNPRINTABLE.sub(" ", text.replace("\r\n", "\n")).strip()
    return clean if len(clean) <= MAX_CHARACTERS else clean[: MAX_CHARACTERS - 1] + "…"
