"""docs/security.md names tests that exist, and every chapter of the standard."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def test_every_test_it_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", path.read_text(encoding="utf-8"))
    }
    assert len(named) > 40
    assert named <= defined


def test_every_chapter_is_there() -> None:
    chapters = {int(number) for number in re.findall(r"^\| (\d+)\.", PAGE, re.MULTILINE)}
    assert chapters == set(range(1, 18))
