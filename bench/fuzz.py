"""Strangers' bytes for the collector, mad messages for the agent: no crash, no memory without end.

    python -m bench.fuzz --cases 200000

Each case is a sound message that something happened to (bytes changed, cut, repeated, fields of any
value), drawn from its seed, so any of them can be run again. Refusing is right; any other exception
is a crash. Exit code 1: there was one, or more memory was taken than --limit.
"""

from __future__ import annotations

import logging
import resource
import sys
import time
from collections import Counter

import click
import structlog

from tests.support.fuzzing import SUBJECTS, attack


@click.command(context_settings={"show_default": True})
@click.option("--cases", type=click.IntRange(min=1), default=20_000, help="For each subject.")
@click.option("--seed", type=int, default=1, help="Of the first case; the others follow.")
@click.option("--limit", type=click.IntRange(min=1), default=256, help="MiB that all may take.")
def main(cases: int, seed: int, limit: int) -> None:
    """Run the cases, print a table."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    crashes: list[str] = []
    click.echo(f"{'subject':28}{'cases':>9}{'accepted':>10}{'refused':>9}{'crashes':>9}{'s':>7}")
    before_mib = peak_mib()
    for subject in SUBJECTS:
        ends: Counter[str] = Counter()
        began = time.perf_counter()
        for number in range(seed, seed + cases):
            end, detail = attack(subject, number)
            ends[end] += 1
            if end == "crash":
                crashes.append(f"{subject} {number}: {detail}")
        took_s = time.perf_counter() - began
        click.echo(
            f"{subject:28}{cases:9}{ends['accepted']:10}{ends['refused']:9}{ends['crash']:9}"
            f"{took_s:7.0f}"
        )
    grown_mib = peak_mib() - before_mib
    click.echo(f"\nmemory grew by {grown_mib:.0f} MiB")
    for crash in crashes[:20]:
        click.echo(f"CRASH: {crash}")
    sys.exit(1 if crashes or grown_mib > limit else 0)


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
