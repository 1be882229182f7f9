"""What goes on for ever ends when it is told to, even in the moment in which it fails."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from collector.assignments import Assignments
from collector.errors import TransientError
from collector.keyring import Keyring
from collector.verdicts.evaluator import Evaluator
from tests.support.database import Database


async def end_while_failing(*_: Any) -> None:
    told = {task for task in asyncio.all_tasks() if task.get_name() == "told to end"}
    for task in told:
        task.cancel()
    raise TransientError("The database is away.")


async def has_ended(work: Any) -> bool:
    task = asyncio.create_task(work.run(), name="told to end")
    done, _ = await asyncio.wait({task}, timeout=10)
    task.cancel()
    return bool(done)


async def test_the_judge(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Evaluator(database.url(role="vantage_collector"))
    monkeypatch.setattr(judge, "lead", end_while_failing)
    assert await has_ended(judge)


async def test_assignments(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = Assignments(database.url(role="vantage_collector"), Keyring(tmp_path / "keys"))
    monkeypatch.setattr(looking, "look", end_while_failing)
    assert await has_ended(looking)
