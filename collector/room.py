"""A number of bytes that may be in memory at one time."""

from __future__ import annotations

import asyncio


class Room:
    """Give back what was taken; whoever finds too little waits, first come, first served."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.taken_bytes = 0
        self.turn = asyncio.Lock()
        self.given = asyncio.Event()

    async def take(self, wanted_bytes: int) -> None:
        """Wait until so much is free; more than there is at all waits until everything is."""
        async with self.turn:
            while self.taken_bytes and self.taken_bytes + wanted_bytes > self.size_bytes:
                self.given.clear()
                await self.given.wait()
            self.taken_bytes += wanted_bytes

    def give(self, taken_bytes: int) -> None:
        self.taken_bytes -= taken_bytes
        self.given.set()
