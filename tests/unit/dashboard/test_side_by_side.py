"""Two questions asked at the same time."""

from __future__ import annotations

import asyncio

import pytest

from dashboard.db import both
from dashboard.errors import NotSignedIn


async def test_what_fails_is_told_once_neither_runs_any_more() -> None:
    ended: list[str] = []

    async def long() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("long")

    async def gone() -> None:
        await asyncio.sleep(0)
        raise NotSignedIn

    with pytest.raises(NotSignedIn):
        await both(long(), gone())
    assert ended == ["long"]


async def test_both_answers_come_in_their_order() -> None:
    assert await both(asyncio.sleep(0.01, "one"), asyncio.sleep(0, 2)) == ("one", 2)
