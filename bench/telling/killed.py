"""Outages while collectors and notifiers are killed and frozen: is each step told once?

Exit code 0: it is; 1: see the problems.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import click

from bench.table import conditions, show
from bench.telling.delays import json_option
from collector.migrate import migrate
from tests.support.database import fetched_server, running, temporary_home
from tests.support.outages import Campaign, Told


@click.command()
@click.option("--monitors", type=click.IntRange(min=1), default=20, help="Each breaks once.")
@click.option("--together", type=click.IntRange(min=1), default=2, help="At one time.")
@click.option("--seed", type=int, default=1, help="The same seed deals the same faults.")
@json_option
def killed(monitors: int, together: int, seed: int, as_json: bool) -> None:
    """Break monitors one after the other under faults, and count incidents and messages."""
    before = conditions()
    server = fetched_server()
    directory = Path(tempfile.mkdtemp(prefix="vantage-killed-"))
    click.echo(f"Logs in {directory}", err=True)
    with temporary_home() as home, running(home, server) as local:
        local.create_database()
        migrate(local.url())
        urls = local.url(), local.url(role="vantage_collector")
        campaign = Campaign(*urls, directory, monitors=monitors, together=together, seed=seed)
        told = campaign.run(progress)
    click.echo(err=True)
    if as_json:
        print(json.dumps({**before, **asdict(told)}))
    else:
        print(before)
        columns = ["outages", "incidents", "steps", "requests", "mails", "again", "seconds"]
        show("told", columns, [[getattr(told, name) for name in columns]])
        show("faults", list(told.faults), [list(told.faults.values())])
        for problem in told.problems:
            print(f"PROBLEM: {problem}")
    sys.exit(1 if told.problems else 0)


def progress(told: Told) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{told.seconds:6.0f} s {told.outages:4} outages", nl=False, err=True)
