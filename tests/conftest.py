"""Fixtures that every tier may use."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings

from tests.support.database import database, databases, empty_database, private_server

# How long one example takes says more about the machine's other work than about ours.
settings.register_profile("vantage", deadline=None)
settings.load_profile("vantage")

__all__ = ["database", "databases", "empty_database", "private_server"]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: at the end other processes would wait for them."""
    sizes = Counter(item.path for item in items)
    items.sort(key=lambda item: ("acceptance" not in item.path.parts, -sizes[item.path]))
