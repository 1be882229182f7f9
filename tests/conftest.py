"""Fixtures that every tier may use."""

from __future__ import annotations

from tests.support.database import database, databases, empty_database, private_server

__all__ = ["database", "databases", "empty_database", "private_server"]
