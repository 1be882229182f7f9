from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from dashboard.rows.channel import Told

AT = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "facts", "words"),
    [
        ("opened", {"severity": "down"}, "Down: Shop"),
        ("opened", {"severity": "down", "reopened": 1}, "Down again: Shop"),
        ("opened", {"severity": "degraded", "reopened": 0}, "Slow: Shop"),
        ("opened", {"severity": "degraded", "reopened": 2}, "Slow again: Shop"),
        ("opened", {"severity": "degraded", "cause": "assertion_certificate"}, "Degraded: Shop"),
        ("worsened", {"severity": "down"}, "Now down: Shop"),
        ("reminder", {"severity": "degraded"}, "Reminder: Shop"),
        ("closed", {"severity": "down", "reopened": 1}, "Up again: Shop"),
        ("closed", {"severity": "down", "is_first": True}, "Was down: Shop"),
        (
            "closed",
            {"severity": "degraded", "is_first": True, "reopened": 1},
            "Was slow again: Shop",
        ),
        ("closed", {"severity": "down", "is_unwatched": True}, "No longer watched: Shop"),
        ("certificate", {}, "Certificate expires: Shop"),
    ],
)
def test_what_was_told_of_a_monitor_is_said_in_short(
    kind: str, facts: dict[str, Any], words: str
) -> None:
    assert told(kind, {"monitor": "Shop", **facts}).words == words


def test_what_was_told_of_a_location_names_it() -> None:
    facts = {"location": "sin", "title": "Singapore", "kind": "silent"}
    assert told("trouble", facts).words == "Location in trouble: Singapore"
    assert told("trouble_over", facts).words == "Location well again: Singapore"
    assert told("test", {}).words == "Test"


def told(kind: str, content: dict[str, Any]) -> Told:
    return Told(1, "Ops", kind, content, AT, AT, None, None, None)
