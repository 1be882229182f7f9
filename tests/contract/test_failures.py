"""No failure code without a real case that provokes it."""

from __future__ import annotations

from pathlib import Path

from agent.failure import Code
from collector.verdicts import words as collector_words
from dashboard import words as dashboard_words
from tests.integration.agent.test_failures import CASES

AGENT = Path(__file__).parents[1] / "integration" / "agent"
# They need a network of their own, or a kernel that forbids what it usually allows.
WITH_PINGS = {Code.PING_TIMEOUT, Code.PING_FORBIDDEN, Code.ASSERTION_LOSS}


def test_every_code_has_a_case() -> None:
    assert set(CASES) | WITH_PINGS == set(Code)
    assert not set(CASES) & WITH_PINGS
    text = (AGENT / "test_icmp.py").read_text(encoding="utf-8")
    for code in WITH_PINGS:
        assert f'"{code}"' in text, code


def test_mails_and_pages_say_causes_in_the_same_words() -> None:
    assert collector_words.CAUSES == dashboard_words.CAUSES
    assert set(collector_words.CAUSES) >= {str(code) for code in Code}
