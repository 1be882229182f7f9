"""The campaign of test_faults.py sees results lost when a program of ours loses them."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.postgres import Server
from tests.support.faults.campaign import Campaign
from tests.support.faults.schedule import Fault
from tests.support.faults.system import Shape

SUPPORT = "tests.support.faults"

# Each loses results in a way of its own; a harness that does not see it proves nothing.
CONTROLS = {
    "acknowledged before the commit": Shape(
        agents=1, keep_acknowledged="0", collector_module=f"{SUPPORT}.early_ack_collector"
    ),
    "numbers used again after a restart": Shape(
        agents=1, keep_acknowledged="0", agent_module=f"{SUPPORT}.reusing_agent"
    ),
}


@pytest.mark.parametrize("control", CONTROLS)
def test_the_campaign_catches(control: str, private_server: Server, tmp_path: Path) -> None:
    # How soon the agent delivers again depends on the machine: one of them strikes in between.
    lanes = {"agent 0": [Fault("kill_with_collector", 1.5, s) for s in (0.3, 0.6, 0.9, 0.6, 0.9)]}
    campaign = Campaign(1, lanes, CONTROLS[control], limit_s=60, drain_limit_s=2)
    report = campaign.run(private_server, tmp_path)
    assert report.verdict.lost > 0, report
    assert report.deaths == []
