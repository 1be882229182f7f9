"""One look for all who ask at the same time, and never an older one than they asked for."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from starlette.requests import Request

from dashboard.compression import Body
from dashboard.looks import Looks


class Clock:
    """A look that takes until it is let go on, and sees how often there was one before."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = asyncio.Event()

    async def look(self) -> int:
        self.begun += 1
        seen = self.begun
        await self.may_end.wait()
        return seen


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_shared_answer_suits_each_who_asks() -> None:
    body = Body(b"0123456789" * 200)
    for accepted, encoding in (("br, gzip", "gzip"), ("", None)):
        scope = {"type": "http", "headers": [(b"accept-encoding", accepted.encode())]}
        answer = body.response(Request(scope), "text/plain", {"Cache-Control": "no-store"})
        assert answer.headers.get("content-encoding") == encoding
        assert answer.headers["vary"] == "Accept-Encoding"
        plain = gzip.decompress(answer.body) if encoding else answer.body
        assert plain == b"0123456789" * 200


async def test_who_comes_while_a_look_is_under_way_shares_the_next() -> None:
    looks, clock = Looks(), Clock()
    first = asyncio.create_task(looks.ask("a", clock.look))
    await settled()
    later = [asyncio.create_task(looks.ask("a", clock.look)) for _ in range(50)]
    await settled()
    assert clock.begun == 1
    clock.may_end.set()
    assert await first == 1
    assert await asyncio.gather(*later) == [2] * 50
    assert await looks.ask("a", clock.look) == 3, "nothing is kept"


async def test_other_keys_do_not_wait() -> None:
    looks, slow, quick = Looks(), Clock(), Clock()
    quick.may_end.set()
    waiting = asyncio.create_task(looks.ask((1, "/"), slow.look))
    await settled()
    assert await looks.ask((2, "/"), quick.look) == 1
    slow.may_end.set()
    await waiting


async def test_who_gives_up_takes_it_from_nobody() -> None:
    looks, clock = Looks(), Clock()
    gone, staying = (asyncio.create_task(looks.ask("a", clock.look)) for _ in range(2))
    await settled()
    gone.cancel()
    clock.may_end.set()
    assert await staying == 1


async def test_a_failed_look_fails_for_all_who_waited_and_for_nobody_after() -> None:
    looks, clock = Looks(), Clock()
    clock.may_end.set()

    async def fail() -> int:
        raise OSError("away")

    for failed in await asyncio.gather(
        *(looks.ask("a", fail) for _ in range(3)), return_exceptions=True
    ):
        assert isinstance(failed, OSError)
    assert await looks.ask("a", clock.look) == 1
    with pytest.raises(OSError, match="away"):
        await looks.ask("a", fail)
