"""One look at the database for all who ask for the same at the same time.

Everybody gets what was looked up after they asked: while a look is under way, those who come wait
for the next one together. Nothing is kept beyond that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

Seen = TypeVar("Seen")


class Looks:
    """Who is looking at what. A key says all that the answer depends on, the account first."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[Any]] = {}
        self._next: dict[Hashable, asyncio.Task[Any]] = {}

    async def ask(self, key: Hashable, look: Callable[[], Awaitable[Seen]]) -> Seen:
        """What a look that begins from now on sees. Raises what it raises, to all who wait."""
        task: asyncio.Task[Seen] | None = self._next.get(key)
        if task is None:
            task = asyncio.create_task(self._look(key, look, self._under_way.get(key)))
            # Everybody who asked may be gone when it fails.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._next[key] = task
        # Who gives up takes it from nobody else.
        return await asyncio.shield(task)

    async def _look(
        self,
        key: Hashable,
        look: Callable[[], Awaitable[Seen]],
        before: asyncio.Task[Any] | None,
    ) -> Seen:
        if before is not None:
            await asyncio.wait([before])
        self._under_way[key] = self._next.pop(key)
        try:
            return await look()
        finally:
            del self._under_way[key]
