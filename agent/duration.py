"""Durations as people write them: 500ms, 30s, 5m, 12h or 7d; a bare number is seconds."""

from __future__ import annotations

import re

import click

_SECONDS = {"ms": 0.001, None: 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(rf"(\d+(?:\.\d+)?)\s*({'|'.join(filter(None, _SECONDS))})?", re.ASCII)


def seconds(text: str) -> float:
    """Read a duration. Raises: ValueError."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration, such as 500ms, 30s, 5m, 12h or 7d.")
    return float(match[1]) * _SECONDS[match[2]]


class Duration(click.ParamType[float]):
    """A duration, as seconds from ``least`` to ``most``."""

    name = "duration"

    def __init__(self, least: float = 0, most: float = float("inf")) -> None:
        self._least = least
        self._most = most

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            spent_s = seconds(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not self._least <= spent_s <= self._most:
            self.fail(f"{value} is not within {self._least:g}s and {self._most:g}s.", param, ctx)
        return spent_s
