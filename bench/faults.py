"""A long fault campaign: real agents, collectors and a database under a seeded schedule of faults.

Exit code 0: nothing lost, doubled, invented, stuck or misjudged, and drained in time; 1: see the
table.

    python -m bench.faults --faults 3000 --minutes 7 --seed 7 --load 1000 --spool-limit 8M
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

from tests.support.database import fetched_server
from tests.support.faults.campaign import Campaign, Report
from tests.support.faults.schedule import KINDS
from tests.support.faults.system import Shape

# About what the agents need to connect again between two faults.
SECONDS_A_FAULT = 0.15


@click.command(context_settings={"show_default": True})
@click.option("--faults", type=click.IntRange(min=10), default=1_000, help="How many.")
@click.option("--minutes", type=float, help="How long.  [default: as the number of faults needs]")
@click.option("--seed", type=int, default=1, help="The same seed deals the same faults.")
@click.option("--agents", type=click.IntRange(min=1), default=5, help="Each in its own location.")
@click.option("--monitors", type=click.IntRange(min=1), default=16, help="Each agent's, every 1 s.")
@click.option(
    "--load",
    type=click.IntRange(min=0),
    default=0,
    help="Results a second that each agent spools besides.",
)
@click.option("--spool-limit", default="1G", help="Each agent's; a small one is overrun.")
@click.option(
    "--only",
    type=click.Choice(KINDS),
    multiple=True,
    help="Faults of this kind alone; repeatable.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory for the logs.  [default: a new one]",
)
def main(
    faults: int,
    minutes: float | None,
    seed: int,
    agents: int,
    monitors: int,
    load: int,
    spool_limit: str,
    only: tuple[str, ...],
    keep: Path | None,
) -> None:
    """Run one campaign and judge its history."""
    seconds = faults * SECONDS_A_FAULT if minutes is None else 60 * minutes
    directory = keep or Path(tempfile.mkdtemp(prefix="vantage-faults-"))
    directory.mkdir(parents=True, exist_ok=True)
    server = fetched_server()
    shape = Shape(agents=agents, monitors=monitors, load=load, spool_limit=spool_limit)
    campaign = Campaign.random(seed, faults=faults, seconds=seconds, shape=shape, only=only)
    click.echo(f"Seed {seed}, about {seconds:.0f} s; logs in {directory}", err=True)
    report = campaign.run(server, directory, progress)
    click.echo(err=True)
    click.echo(table(report))
    sys.exit(1 if report.problems else 0)


def progress(report: Report) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{report.seconds:7.0f} s {report.hit.total():7} faults", nl=False, err=True)


def table(report: Report) -> str:
    lines = [f"{'fault':38}{'hit':>8}{'missed':>8}"]
    for kind in sorted(report.hit.keys() | report.missed.keys()):
        lines.append(f"{kind:38}{report.hit[kind]:8}{report.missed[kind]:8}")
    lines.append(f"{'all':38}{report.hit.total():8}{report.missed.total():8}")
    lines.append("")
    for name, count in report.verdict.counts.items():
        lines.append(f"{name:38}{count:8}")
    drained = "never" if report.drain_s is None else f"{report.drain_s:.2f} s"
    lines.append(f"{'drained after the last fault':38}{drained:>8}")
    lines += ["", *(f"PROBLEM: {problem}" for problem in report.problems)]
    return "\n".join(lines).rstrip()


if __name__ == "__main__":
    main()
