"""docs/gaps.md explains every reason that an agent can give, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from agent.hole import Loss
from agent.missed import Reason

PAGE = Path(__file__).parents[2] / "docs" / "gaps.md"


def test_every_reason_is_explained() -> None:
    explained = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.M)
    reasons = {reason.value for reason in Reason} | {Loss.SPOOL_FULL, Loss.SPOOL_EXPIRED}
    assert sorted(explained) == sorted(reasons)
