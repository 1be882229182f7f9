"""A sample of python -m bench.fuzz: no message from the other side crashes either."""

from __future__ import annotations

import pytest

from tests.support.fuzzing import SUBJECTS, attack


@pytest.mark.parametrize("subject", SUBJECTS)
def test_no_message_crashes(subject: str) -> None:
    ends = {seed: attack(subject, seed) for seed in range(250)}
    assert {seed: why for seed, (end, why) in ends.items() if end == "crash"} == {}
    assert "accepted" in {end for end, _ in ends.values()}
