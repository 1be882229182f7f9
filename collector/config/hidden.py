"""A secret among what is compared and shown: equal to its like, and never written out."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Hidden:
    """A secret's value; None: one that was not opened, because nothing needs it."""

    value: str | None = field(repr=False)

    def __str__(self) -> str:
        return "(set, not shown)"
