"""A page that anybody may read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StatusPage:
    """A page that anybody may read."""

    id: int
    slug: str
    title: str
    monitor_ids: list[int]
