"""Bytes in memory never exceed the room, and whoever waits gets in."""

from __future__ import annotations

import asyncio
import random

import pytest

from collector.room import Room


async def test_no_more_is_taken_than_there_is() -> None:
    room = Room(100)
    most = 0

    async def visit(size: int) -> None:
        nonlocal most
        await room.take(size)
        most = max(most, room.taken_bytes)
        await asyncio.sleep(0)
        room.give(size)

    sizes = [random.randint(1, 60) for _ in range(300)]
    async with asyncio.timeout(10):
        await asyncio.gather(*map(visit, sizes))
    assert 60 < most <= 100
    assert room.taken_bytes == 0


async def test_what_is_larger_than_the_room_has_it_alone() -> None:
    room = Room(10)
    await room.take(1)
    large = asyncio.create_task(room.take(50))
    await asyncio.sleep(0)
    assert not large.done()
    room.give(1)
    async with asyncio.timeout(5):
        await large
    assert room.taken_bytes == 50


async def test_who_gives_up_waiting_takes_nothing() -> None:
    room = Room(10)
    await room.take(10)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await room.take(1)
    room.give(10)
    async with asyncio.timeout(5):
        await room.take(10)
    assert room.taken_bytes == 10
