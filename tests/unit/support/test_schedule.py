"""Which faults a campaign deals."""

from __future__ import annotations

from tests.support.faults.schedule import KINDS, plan


def test_the_same_seed_deals_the_same_faults_and_every_kind() -> None:
    lanes = plan(7, 1_000, 300, agents=3)
    assert lanes == plan(7, 1_000, 300, agents=3)
    assert lanes != plan(8, 1_000, 300, agents=3)
    assert sum(map(len, lanes.values())) == 1_000
    assert {fault.kind for lane in lanes.values() for fault in lane} == set(KINDS)


def test_a_campaign_can_be_of_one_kind_alone() -> None:
    lanes = plan(7, 100, 300, agents=2, only=["full_disk", "full_disk_long"])
    assert [*lanes] == ["agent 0", "agent 1"]
    kinds = [fault.kind for lane in lanes.values() for fault in lane]
    assert len(kinds) == 100
    assert min(kinds.count("full_disk"), kinds.count("full_disk_long")) > 25
