"""Fixtures that every tier may use."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.database import database, databases, empty_database, private_server

# Programs are started hundreds of times, and none should compile anew what another has compiled;
# images of Python often forbid to keep it.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# How long one example takes says more about the machine's other work than about ours.
settings.register_profile("vantage", deadline=None)
settings.load_profile("vantage")

__all__ = ["database", "databases", "empty_database", "private_server"]


FOLDER = Path(__file__).parent
ABSENT = FOLDER / "support" / "absent"
# In the order in which they begin: what comes last should be short, or all would wait for it.
LONGEST_FIRST = ("acceptance", "browser", "dashboard", "collector", "storing", "agent")


@pytest.fixture(scope="session", autouse=True)
def _as_installed() -> Iterator[None]:
    """Have programs find what an installation has, not all that tests do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ABSENT), prepend=os.pathsep)
        yield


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the folders, and in them the files, that take longest."""
    sizes = Counter(item.path for item in items)
    ranks = {path: _rank(path) for path in sizes}
    items.sort(key=lambda item: (ranks[item.path], -sizes[item.path]))


def _rank(path: Path) -> int:
    parts = path.relative_to(FOLDER).parts
    return min(rank for rank, name in enumerate((*LONGEST_FIRST, parts[-1])) if name in parts)
