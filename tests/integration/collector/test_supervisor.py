"""Children are restarted when they die and ended when they are told to."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from collector import supervisor
from collector.supervisor import Child

SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + SLEEPER


@pytest.fixture
async def child_of(tmp_path: Path) -> AsyncIterator[Callable[[str], Child]]:
    tasks = []
    children = []

    def start(program: str) -> Child:
        child = Child("child", [sys.executable, "-c", program], tmp_path / "log")
        children.append(child)
        tasks.append(asyncio.create_task(child.run()))
        return child

    yield start
    for child in children:
        await child.stop()
    await asyncio.gather(*tasks)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_child_that_dies_is_started_again(child_of: Callable[[str], Child]) -> None:
    child = child_of(SLEEPER)
    await until(lambda: child.log.exists() and "up" in child.log.read_text())
    assert child.process is not None
    first = child.process.pid
    child.process.kill()
    await until(lambda: child.restarts == 1 and child.is_running)
    assert child.process.pid != first


async def test_a_child_that_cannot_run_is_started_ever_more_slowly(
    child_of: Callable[[str], Child],
) -> None:
    child = child_of("raise SystemExit('broken')")
    began = time.monotonic()
    await until(lambda: child.restarts == 3)
    assert time.monotonic() - began > sum(supervisor.RESTART_S[1:3])
    assert "broken" in child.log.read_text()


async def test_a_child_that_does_not_listen_is_made_to_end(
    child_of: Callable[[str], Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "STOP_S", 0.2)
    child = child_of(DEAF)
    await until(lambda: child.log.exists() and "up" in child.log.read_text())
    await child.stop()
    assert not child.is_running
    assert child.restarts == 0
