"""Whole numbers in addresses and forms, which anybody may have written. Pure."""

from __future__ import annotations

IDENTITY_MAX = 2**31 - 1
"""Of whatever is counted in 32 bits: monitors, people, channels."""


def whole(text: str, most: int) -> int | None:
    """The number that a text is, in decimal digits. None: it is none from 0 to ``most``."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(most)):
        return None
    number = int(text)
    return number if number <= most else None
