"""Prints rows under headings, numbers to the right; and says on what machine, beside what load."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path


def conditions() -> dict[str, object]:
    """When, on what, and beside what other work a bench runs."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines()
        if line.startswith("model name")
    ]
    return {
        "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{len(names)} x {names[0]}" if names else platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def show(title: str, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table as Markdown, so that it can be pasted into docs/benchmarks.md."""
    lines = [list(headings), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    print(f"\n{title}\n")
    for number, line in enumerate(lines):
        print(
            "| "
            + " | ".join(
                _aligned(*pair, n) for n, pair in enumerate(zip(line, widths, strict=True))
            )
            + " |"
        )
        if number == 0:
            print(
                "|"
                + "|".join(
                    "-" * (width + 1) + (":" if n else "-") for n, width in enumerate(widths)
                )
                + "|"
            )


def _aligned(text: str, width: int, column: int) -> str:
    return text.rjust(width) if column else text.ljust(width)


def _text(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:,.2f}" if abs(cell) < 10 else f"{cell:,.0f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
