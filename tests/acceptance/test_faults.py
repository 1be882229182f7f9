"""Whatever breaks, every result that an agent made durable is stored exactly once.

The same campaign, as long as anyone likes: python -m bench.faults
"""

from __future__ import annotations

from pathlib import Path

from collector.postgres import Server
from tests.support.faults.campaign import Campaign
from tests.support.faults.system import Shape


def test_no_fault_loses_doubles_or_invents_a_result(private_server: Server, tmp_path: Path) -> None:
    shape = Shape(agents=5, monitors=16, spool_limit="48K")
    campaign = Campaign.random(1, faults=345, seconds=41, shape=shape)
    report = campaign.run(private_server, tmp_path)
    assert report.problems == []
    assert report.hit.total() >= 300, report
    assert report.verdict.stored > 1_000, report
    assert report.verdict.declared > 0, report
