"""No failure code without a real case that provokes it."""

from __future__ import annotations

from pathlib import Path

from agent.failure import Code
from tests.integration.agent.test_failures import CASES
from vantage.failure import CAUSES

AGENT = Path(__file__).parents[1] / "integration" / "agent"
# They need a network of their own, or a kernel that forbids what it usually allows.
WITH_PINGS = {Code.PING_TIMEOUT, Code.PING_FORBIDDEN, Code.ASSERTION_LOSS}


def test_every_code_has_a_case() -> None:
    assert set(CASES) | WITH_PINGS == set(Code)
    assert not set(CASES) & WITH_PINGS
    text = (AGENT / "test_icmp.py").read_text(encoding="utf-8")
    for code in WITH_PINGS:
        assert f'"{code}"' in text, code


def test_every_code_has_words() -> None:
    # Only an incident is slower than usual, no single result.
    assert {str(code) for code in Code} == set(CAUSES) - {"slower_than_usual"}
