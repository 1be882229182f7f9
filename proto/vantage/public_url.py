"""How people reach the report centre: where the links lead that it and whoever tells of incidents
mail. Read alike by both.
"""

from __future__ import annotations

import re


def read_public_url(given: str) -> str:
    """Return what was given for --public-url, without a slash at its end.

    Raises: ValueError, saying what is wrong.
    """
    if not re.fullmatch(r"https?://[^/?#@\s]+/?", given):
        raise ValueError(
            f"{given!r} is no address of a report centre. Write --public-url https://host.example."
        )
    return given.rstrip("/")
