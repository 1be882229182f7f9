from __future__ import annotations

import pytest

from collector.assertion import Assertion, check_assertions
from collector.errors import CollectorError


@pytest.mark.parametrize(
    ("assertion", "words"),
    [
        ({}, "None is no kind"),
        ({"kind": "sentiment"}, "'sentiment' is no kind"),
        ({"kind": ["status"]}, "is no kind"),
        ({"kind": "status"}, "needs 'expected'"),
        ({"kind": "status", "expected": 200}, "a text"),
        ({"kind": "status", "expected": "200", "name": "x"}, "has no 'name'"),
        ({"kind": "status", "expected": "200", "degrades": "yes"}, "true or false"),
        ({"kind": "size"}, "needs 'at_least' or 'at_most'"),
        ({"kind": "size", "at_least": True}, "whole number"),
        ({"kind": "size", "at_least": 2**60}, "whole number"),
        ({"kind": "cert_days", "at_least": 1.5}, "whole number"),
        ({"kind": "body_contains", "expected": "a\0b"}, "a text"),
        ({"kind": "body_contains", "expected": "\ud800"}, "a text"),
        ({"kind": "json_equals", "name": "$.a", "expected": "ok"}, "is not JSON"),
        ({"kind": "json_equals", "name": "$.a\n", "expected": "1"}, "no path"),
        ({"kind": "header_present", "name": "A:"}, "no header name"),
    ],
    ids=str,
)
def test_what_agents_cannot_judge_is_refused(assertion: Assertion, words: str) -> None:
    with pytest.raises(CollectorError, match=words):
        check_assertions([assertion])
