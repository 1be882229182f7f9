"""A small world to look at: accounts, locations, monitors and a day of results, by plain SQL."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from argon2 import PasswordHasher

EMAIL = "demo@example.com"
OTHER_EMAIL = "other@example.com"
PASSWORD = "correct horse battery staple"
# As cheap as can be: hundreds of tests sign in, and a hash says itself what it costs.
HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def statements(path: Path) -> dict[str, str]:
    """The named statements of a file, in their order."""
    text = path.read_text(encoding="utf-8")
    blocks = re.split(r"^-- ([\w ]+) --$", text, flags=re.MULTILINE)
    return dict(zip(blocks[1::2], blocks[2::2], strict=True))


STATEMENTS = statements(Path(__file__).with_name("seed.sql"))


def seed(conninfo: str, *, now: datetime | None = None, length: timedelta | None = None) -> None:
    """Fill an empty, migrated database; the same rows for the same ``now``."""
    _run(
        conninfo,
        STATEMENTS,
        now=now or datetime.now(UTC),
        length=length or timedelta(hours=26),
        password_hash=HASHER.hash(PASSWORD),
    )


def extend(conninfo: str, *, since: datetime, now: datetime) -> None:
    """Add the results that were due from ``since`` up to ``now``."""
    _run(conninfo, ("results", "hops", "rollups", "rolled_up"), now=now, length=now - since)


def _run(conninfo: str, names: Iterable[str], **values: object) -> None:
    with psycopg.connect(conninfo) as connection:
        for name in names:
            connection.execute(STATEMENTS[name].encode(), values)


if __name__ == "__main__":
    seed(sys.argv[1])
