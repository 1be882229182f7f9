"""Whatever breaks, every result that an agent made durable is stored exactly once.

The same campaign, as long as anyone likes: python -m bench.faults
"""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.postgres import Server
from tests.support.faults.campaign import Campaign
from tests.support.faults.schedule import Fault
from tests.support.faults.system import Shape

SUPPORT = "tests.support.faults"


def test_no_fault_loses_doubles_or_invents_a_result(private_server: Server, tmp_path: Path) -> None:
    shape = Shape(agents=5, monitors=16, spool_limit="48K")
    campaign = Campaign.random(1, faults=335, seconds=40, shape=shape)
    report = campaign.run(private_server, tmp_path)
    assert report.problems == []
    assert report.hit.total() >= 300, report
    assert report.verdict.stored > 1_000, report
    assert report.verdict.declared > 0, report


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
