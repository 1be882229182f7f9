from __future__ import annotations

from datetime import UTC, datetime

from dashboard import overview
from dashboard.rows.monitor import Monitor


def monitor(number: int, *tags: str) -> Monitor:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    url = f"https://{number}.example/"
    return Monitor(number, f"Monitor {number}", url, 60, 10_000_000, None, at, "request", [*tags])


def test_tags_with_a_problem_come_first() -> None:
    monitors = [monitor(1, "shop"), monitor(2, "api", "shop"), monitor(3, "blog"), monitor(4)]
    states = {1: "up", 2: "down", 3: "up", 4: "slow"}
    found = overview.groups(monitors, states)
    assert [(group.tag, group.state) for group in found] == [
        ("api", "down"),
        ("shop", "down"),
        ("blog", "up"),
    ]
    assert [(group.troubled, group.number) for group in found] == [(1, 1), (1, 2), (0, 1)]
    assert overview.groups([monitor(4)], states) == []
