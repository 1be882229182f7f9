"""What is said of a child that does not do its work."""

from __future__ import annotations

from pathlib import Path

from collector.supervisor import Child


def test_last_words_are_the_last_line_that_this_child_wrote(tmp_path: Path) -> None:
    log = tmp_path / "collector.log"
    log.write_text("Error: of the run before\n")
    child = Child("collector", [], log)
    assert child.last_words() == f"Its log, {log}, has nothing new"
    with log.open("a") as more:
        more.write("first\nError: last\n\n")
    assert child.last_words() == f"Its log, {log}, ends with: Error: last"
