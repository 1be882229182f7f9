"""Every row of docs/protocol.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CELL = re.compile(r"`(test_\w+)`")


def test_every_row_is_tested() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text()
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    tables = re.split(r"^## ", text, flags=re.M)
    rows = [
        line
        for table in tables
        if "message by message" in table.partition("\n")[0]
        for line in table.splitlines()
        if line.startswith("|") and not line.startswith(("|---", "| message "))
    ]
    assert len(rows) > 30
    for row in rows:
        names = CELL.findall(row)
        assert names, row
        for name in names:
            assert f"def {name}(" in sources, row
