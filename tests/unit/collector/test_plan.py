"""What a plan says of a change."""

from __future__ import annotations

import json

from collector.config.hidden import Hidden
from collector.config.plan import Change, as_json, as_text, shown

BEFORE = {
    "url": "https://a.example/",
    "locations": ["fra", "sin"],
    "headers": {"A": "1", "B": "2"},
    "secret_headers": {"X": Hidden("old"), "Y": Hidden("same")},
    "assertions": [{"kind": "status", "expected": "200"}, {"kind": "loss", "at_most": 5}],
    "body": "x" * 100,
}
AFTER = {
    "url": "https://a.example/",
    "locations": ["sin", "fra"],
    "headers": {"B": "3", "C": ""},
    "secret_headers": {"X": Hidden("new"), "Y": Hidden("same")},
    "assertions": [{"kind": "status", "expected": "204"}, {"kind": "loss", "at_most": 5}],
    "slow": "1s",
}


def test_every_difference_has_a_line_and_no_secret_is_in_it() -> None:
    changes = [
        Change("update", "monitor", "a", "acme", BEFORE, AFTER),
        Change("keep", "monitor", "b", "acme", BEFORE, BEFORE),
        Change("delete", "monitor", "c", "acme", BEFORE, {}),
    ]
    assert as_text(changes).splitlines() == [
        "~ monitor a of acme:",
        "    locations: in another order",
        "    headers.A: 1 -> none",
        "    headers.B: 2 -> 3",
        '    headers.C: none -> ""',
        "    secret_headers.X: (set, not shown) -> (set, not shown)",
        '    assertions: - {"kind": "status", "expected": "200"}',
        '    assertions: + {"kind": "status", "expected": "204"}',
        "    body: (100 characters) -> none",
        "    slow: none -> 1s",
        "= monitor b of acme: as it is, kept by these files from now on",
        "- monitor c of acme",
        "0 to create, 1 to change, 1 to remove.",
    ]
    told = as_json(changes, is_applied=False)
    assert not {"old", "new", "same"} & set(told.split('"'))
    first = json.loads(told)["changes"][0]
    assert first["fields"]["slow"] == {"from": None, "to": "1s"}


def test_values_are_shown_on_one_line() -> None:
    assert [shown(each) for each in (None, "", " a", "a b", "a\nb", 3, True, Hidden(None))] == [
        "none", '""', '" a"', "a b", "(3 characters)", "3", "true", "(set, not shown)",
    ]  # fmt: skip
