"""Fixtures that every tier may use."""

from __future__ import annotations

from hypothesis import settings

from tests.support.database import database, databases, empty_database, private_server

# How long one example takes says more about the machine's other work than about ours.
settings.register_profile("vantage", deadline=None)
settings.load_profile("vantage")

__all__ = ["database", "databases", "empty_database", "private_server"]
