from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dashboard.metrics import Standing
from dashboard.rows.metrics import Judged, Measured

SHOP = (1, "Shop", "https://a.example/")


@pytest.mark.parametrize(
    ("state", "told"),
    [("up", "up"), ("down", "up"), ("missing", "unknown"), ("waiting", "unknown")],
)
def test_a_verdict_is_worth_nothing_while_nothing_is_heard(state: str, told: str) -> None:
    at = datetime(2026, 11, 26, tzinfo=UTC)
    measured = Measured(*SHOP, "fra", state, at, *(None,) * 9)
    verdict = next(Standing([measured], [Judged(*SHOP, "up")]).collect())
    assert [sample.labels["state"] for sample in verdict.samples if sample.value] == [told]
