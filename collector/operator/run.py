"""vantage monitor run: one result from every location, now."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from collector import db
from collector.errors import CollectorError
from collector.operator.known import no_monitor
from collector.operator.table import json_option, show
from collector.operator.target import on_database

# Beyond the monitor's own timeout: the way to the agent and back.
PATIENCE_S = 5.0
LOOK_EVERY_S = 0.1
TIMES = ("dns", "connect", "tls", "wait", "receive", "total")


@click.command("run")
@click.argument("monitor_id", type=int)
@click.option(
    "--location", "locations", multiple=True, help="Repeatable.  [default: all of its own]"
)
@json_option
@on_database
def run(monitor_id: int, locations: Sequence[str], as_json: bool, url: str) -> None:
    """Probe a monitor now, and show what its locations found.

    Its schedule goes on. Exits with 1 when a location did not answer in time or found the target
    down.
    """
    with db.session(url) as connection:
        connection.autocommit = True
        wanted, timeout_s = expected(connection, monitor_id, locations)
        requested_at = datetime.now(UTC)
        ask(connection, monitor_id, requested_at, locations)
        deadline = time.monotonic() + timeout_s + PATIENCE_S
        while True:
            found = connection.execute(
                db.queries("operator")["extra_results"],
                {"monitor_id": monitor_id, "requested_at": requested_at},
            ).fetchall()
            if len(found) >= len(wanted) or time.monotonic() > deadline:
                break
            if sys.stderr.isatty():
                click.echo(f"\r{len(found)} of {len(wanted)} locations", nl=False, err=True)
            time.sleep(LOOK_EVERY_S)
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)
    silent = [name for name in wanted if name not in {row["location"] for row in found}]
    rows = found if as_json else [in_words(row) for row in found]
    show(rows, ["location", "outcome", "status", *TIMES, "failure", "detail"], as_json=as_json)
    if silent:
        raise CollectorError(
            f"No result within {timeout_s + PATIENCE_S:.0f} s from {', '.join(silent)}. See which "
            "agents are online: vantage agent list"
        )
    if any(row["outcome"] == "down" for row in found):
        raise SystemExit(1)


def expected(
    connection: db.Connection, monitor_id: int, locations: Sequence[str]
) -> tuple[list[str], float]:
    """Return which locations shall answer, and the monitor's timeout in seconds.

    Raises: CollectorError for a monitor or a location that there is not.
    """
    monitors = connection.execute(db.queries("operator")["monitors"]).fetchall()
    monitor = next((row for row in monitors if row["id"] == monitor_id), None)
    if monitor is None:
        raise no_monitor(monitor_id)
    for name in locations:
        if name not in monitor["locations"]:
            raise CollectorError(
                f"Monitor {monitor_id} is not probed from {name!r}. Its locations: "
                f"{', '.join(monitor['locations']) or 'none'}."
            )
    return list(locations or monitor["locations"]), monitor["timeout_us"] / 1e6


def ask(
    connection: db.Connection, monitor_id: int, requested_at: datetime, locations: Sequence[str]
) -> None:
    """Tell the collectors, which tell the agents."""
    epoch = datetime.fromtimestamp(0, UTC)
    requested_at_us = (requested_at - epoch) // timedelta(microseconds=1)
    payload = f"{monitor_id} {requested_at_us} {','.join(locations)}"
    connection.execute(db.queries("operator")["run_now"], {"payload": payload})


def in_words(row: dict[str, Any]) -> dict[str, Any]:
    """Write one result's row for people: milliseconds, a dash where a phase was not reached."""
    times = {
        name: None if row[f"{name}_us"] is None else f"{row[f'{name}_us'] / 1000:.1f} ms"
        for name in TIMES
    }
    return {**row, **times, "status": row["http_status"]}
