"""What functions of schema ``report`` answer that change something."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether it did what it was asked for."""

    is_done: bool


@dataclass(frozen=True, slots=True)
class Added:
    """What it added."""

    id: int
