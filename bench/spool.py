"""The spool: how fast it is beside sqlite, and what thousands of bad disks do to it.

    python -m bench.spool --cases 10000

Exit code 1: a case lost something unharmed, or declared a loss that was none.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import click
import structlog

from agent.spool import Spool
from agent.writer import Writer
from tests.support.spool_cases import check

PAYLOAD = bytes(200)
RESULTS = 100_000


@click.command(context_settings={"show_default": True})
@click.option("--cases", type=click.IntRange(min=0), default=1_000, help="Of bad disks.")
@click.option("--seed", type=int, default=1, help="Of the first case; the others follow.")
@click.option("--place", type=click.Path(path_type=Path, file_okay=False), help="On which disk.")
def main(cases: int, seed: int, place: Path | None) -> None:
    """Measure both, print two tables."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    click.echo(
        f"{'appended, read and acknowledged':34}{'batch':>7}{'results/s':>12}{'to sqlite':>11}"
        f"{'CPU, us':>9}"
    )
    for batch in (10, 100, 1_000):
        count = min(RESULTS, batch * 1_000)
        theirs, theirs_us = speed(use_sqlite, batch, count, place)
        for name, way in (("spool, fdatasync a batch", use_spool), ("spool, writer", use_writer)):
            ours, ours_us = speed(way, batch, count, place)
            click.echo(f"{name:34}{batch:7}{ours:12,.0f}{ours / theirs:11.1f}{ours_us:9.1f}")
        click.echo(
            f"{'sqlite, WAL, synchronous=FULL':34}{batch:7}{theirs:12,.0f}{1:11.1f}{theirs_us:9.1f}"
        )
    kinds, failures = run_cases(cases, seed, place)
    click.echo(f"\n{'bad disks':34}{'cases':>7}")
    for kind, count in sorted(kinds.items()):
        click.echo(f"{kind:34}{count:7}")
    for failure in failures[:20]:
        click.echo(f"FAILED: {failure}")
    sys.exit(1 if failures else 0)


def speed(
    way: Callable[[Path, int, int], None], batch: int, count: int, place: Path | None
) -> tuple[float, float]:
    """Return results a second, and the processor time that each takes (us)."""
    with tempfile.TemporaryDirectory(prefix="vantage-spool-", dir=place) as directory:
        began, cpu_s = time.perf_counter(), time.process_time()
        way(Path(directory), batch, count)
        cpu_us = (time.process_time() - cpu_s) / count * 1e6
        return count / (time.perf_counter() - began), cpu_us


def use_spool(directory: Path, batch: int, count: int) -> None:
    spool = Spool(directory)
    for seq in range(1, count, batch):
        spool.append([PAYLOAD] * batch)
        found = spool.read(spool.running, seq, max_results=batch, max_bytes=1 << 20)
        spool.ack(spool.running, seq + len(found) - 1)


def use_writer(directory: Path, batch: int, count: int) -> None:
    """As the agent does it: one fdatasync for all that came while the last one was waited for."""
    spool = Spool(directory)
    durable = threading.Event()
    writer = Writer(spool, durable.set)
    thread = threading.Thread(target=writer.run)
    thread.start()
    made = acked = 0
    while acked < count:
        while made < count and writer.is_ready:
            for _ in range(batch):
                writer.put(PAYLOAD)
            made += batch
        durable.wait()
        durable.clear()
        while found := spool.read(spool.running, acked + 1, max_results=batch, max_bytes=1 << 20):
            acked += len(found)
            spool.ack(spool.running, acked)
    writer.close()
    thread.join()


def use_sqlite(directory: Path, batch: int, count: int) -> None:
    connection = sqlite3.connect(directory / "spool.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE results (seq INTEGER PRIMARY KEY, payload BLOB)")
    for seq in range(1, count, batch):
        connection.execute("BEGIN")
        rows = ((seq + number, PAYLOAD) for number in range(batch))
        connection.executemany("INSERT INTO results VALUES (?, ?)", rows)
        connection.execute("COMMIT")
        found = connection.execute(
            "SELECT payload FROM results WHERE seq >= ? ORDER BY seq LIMIT ?", (seq, batch)
        ).fetchall()
        connection.execute("DELETE FROM results WHERE seq < ?", (seq + len(found),))
    connection.close()


def run_cases(cases: int, seed: int, place: Path | None) -> tuple[Counter[str], list[str]]:
    kinds: Counter[str] = Counter()
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="vantage-spool-", dir=place) as directory:
        for number in range(seed, seed + cases):
            case = Path(directory) / str(number)
            case.mkdir()
            try:
                kinds[check(number, case)] += 1
            except AssertionError as error:
                failures.append(f"seed {number}: {error}")
            shutil.rmtree(case)
            if sys.stderr.isatty() and number % 100 == 0:
                click.echo(f"\r{number - seed} cases", nl=False, err=True)
    return kinds, failures


if __name__ == "__main__":
    main()
