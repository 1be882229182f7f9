from __future__ import annotations

import io

from collector.console import Console, measure


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_the_step_under_way_in_one_line() -> None:
    out = Terminal()
    console = Console(out)
    console.progress("Fetching", 10_000_000, 40_000_000)
    console.progress("Fetching", 40_000_000, 40_000_000)
    console.done("Fetched")
    shown = out.getvalue()
    assert shown.count("\n") == 1
    assert "10.0 of 40.0 MB" in shown
    assert shown.endswith("\r\x1b[K  ✓ Fetched\n")


def test_a_file_gets_each_step_once() -> None:
    out = io.StringIO()
    console = Console(out)
    for done in range(5):
        console.progress("Fetching", done, 4)
    for _ in range(3):
        console.status("3 of 3 agents online")
    assert out.getvalue() == "  … Fetching\n3 of 3 agents online\n"


def test_the_bar_is_full_at_the_end_and_not_before() -> None:
    assert "░" in measure(99, 100_000)
    assert "░" not in measure(100_000, 100_000)
    assert measure(5, 0) == ""
