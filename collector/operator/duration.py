"""Durations as people write them: 500ms, 30s, 5m, 1h."""

from __future__ import annotations

import re

import click

DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?")
SECONDS = {"ms": 0.001, None: 1, "s": 1, "m": 60, "h": 3600}


def written(seconds: float) -> str:
    """Write a duration in the largest unit that it is a whole number of; else in milliseconds."""
    us = round(seconds * 1_000_000)
    for unit in ("h", "m", "s"):
        if us and us % (SECONDS[unit] * 1_000_000) == 0:
            return f"{us // (SECONDS[unit] * 1_000_000):g}{unit}"
    return f"{us / 1000:.3f}".rstrip("0").rstrip(".") + "ms"


class Duration(click.ParamType[float]):
    """A duration such as 500ms, 30s, 5m or 1h (a bare number: seconds), as seconds."""

    name = "duration"

    def convert(self, value: object, param: object, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        match = DURATION.fullmatch(str(value))
        if match is None:
            raise click.BadParameter(f"{value!r} is not a duration, such as 500ms, 30s, 5m or 1h.")
        return float(match[1]) * SECONDS[match[2]]
