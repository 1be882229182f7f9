"""Whoever judges or tells is killed: each outage is one incident, each step told once.

The same campaign, as long as anyone likes: python -m bench.telling killed
"""

from __future__ import annotations

from pathlib import Path

from tests.support.database import Database
from tests.support.outages import Campaign


def test_each_step_of_an_outage_is_told_once_whoever_is_killed(
    database: Database, tmp_path: Path
) -> None:
    urls = database.url(), database.url(role="vantage_collector")
    told = Campaign(*urls, tmp_path, monitors=4, together=2, seed=1).run()
    assert told.problems == []
    assert told.steps == 3 * 2 * told.outages, told
    assert told.faults["collector killed"], told
    assert told.faults["notifier killed"], told
