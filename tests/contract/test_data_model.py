"""docs/data-model.md names everything that is in the schemas, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg

from tests.support.database import Database

PAGE = Path(__file__).parents[2] / "docs" / "data-model.md"
NAMES = """
SELECT relnamespace::regnamespace::text, relname FROM pg_class
WHERE relnamespace::regnamespace::text IN ('vantage', 'report') AND relkind IN ('r', 'v')
UNION
SELECT pronamespace::regnamespace::text, proname FROM pg_proc
WHERE pronamespace::regnamespace::text IN ('vantage', 'report')
"""


def test_the_data_models_page_is_complete(database: Database) -> None:
    documented = set()
    for part in PAGE.read_text(encoding="utf-8").split("\n## "):
        if schema := re.search(r"of `(\w+)`", part.partition("\n")[0]):
            documented |= {
                (schema[1], name) for name in re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE)
            }
    with psycopg.connect(database.url()) as connection:
        present = set(connection.execute(NAMES).fetchall())
    assert documented == present, "a line in docs/data-model.md is missing, or too many"
