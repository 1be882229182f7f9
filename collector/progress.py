"""How a long step tells its caller how far it is; the caller decides how to show it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called when a step begins and as it advances.

    ``done`` and ``total`` are bytes; a ``total`` of 0 means that the step has no measure.
    """

    def __call__(self, step: str, done: int = 0, total: int = 0) -> None: ...


def silent(step: str, done: int = 0, total: int = 0) -> None:
    """Show nothing."""
