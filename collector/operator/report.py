"""vantage report: a month's availability and response times against objectives."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import click

from collector import db
from collector.operator.account import account_id
from collector.operator.dates import MONTH
from collector.operator.duration import Duration
from collector.operator.known import must_be_monitors
from collector.operator.table import show
from collector.operator.target import on_database
from vantage import spreadsheet
from vantage.report import table

COLUMNS = ["monitor", "availability", "objective", "budget", "spent", "checks", "missing", "p95_ms"]


def last_month() -> datetime:
    """Return the first day of the month before this one."""
    now = datetime.now(UTC)
    return datetime(now.year - (now.month == 1), (now.month - 2) % 12 + 1, 1)


@click.command()
@click.option(
    "--month",
    type=MONTH,
    default=last_month,
    show_default="the last one",
    help="In UTC.",
)
@click.option("--account", help="Whose.  [default: the only account]")
@click.option(
    "--monitor", "monitor_ids", type=int, multiple=True, help="Repeatable.  [default: all]"
)
@click.option(
    "--objective",
    type=click.FloatRange(0, 100),
    default=99.9,
    show_default=True,
    help="Availability, in percent.",
)
@click.option("--limit", "limit_s", type=Duration(), help="Response time, such as 800ms.")
@click.option(
    "--share",
    type=click.FloatRange(0, 100),
    default=95.0,
    show_default=True,
    help="Of the response times within --limit, in percent.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "csv"]),
    default="text",
    show_default=True,
    help="JSON and CSV have every figure (docs/reports.md).",
)
@on_database
def report(
    month: datetime,
    account: str | None,
    monitor_ids: tuple[int, ...],
    objective: float,
    limit_s: float | None,
    share: float,
    form: str,
    url: str,
) -> None:
    """Show a month's availability and response times. The report centre has it as PDF."""
    with db.session(url) as connection:
        values: dict[str, Any] = {
            "account_id": account_id(connection, account),
            "month": month.date(),
            "monitor_ids": list(monitor_ids) or None,
            "objective": str(objective),
            "limit_us": None if limit_s is None else round(limit_s * 1_000_000),
            "share": str(share),
        }
        must_be_monitors(connection, monitor_ids, values["account_id"])
        row = connection.execute(db.queries("reports")["report"], values).fetchone()
    assert row is not None  # noqa: S101 - it always gives one
    if form == "json":
        click.echo(json.dumps({**row, "month": f"{month:%Y-%m}"}, default=str, indent=2))
    elif form == "csv":
        rows = table(
            row["content"],
            period=f"{month:%Y-%m}",
            revision=row["revision"],
            made_at=row["made_at"],
            objective=Decimal(values["objective"]),
            limit_us=values["limit_us"],
            share=Decimal(values["share"]),
        )
        click.echo(spreadsheet.encode(rows), nl=False)
    else:
        state = f"revision {row['revision']}" if row["is_over"] else "so far"
        click.echo(f"{month:%B %Y}, UTC, {state}. Objective {objective:g} %.")
        if row["content"]:
            show([line(each, objective) for each in row["content"]], COLUMNS, as_json=False)
        else:
            click.echo("No monitor was watched then.")


def line(figures: dict[str, Any], objective: float) -> dict[str, Any]:
    """Return what a line of the text shows."""
    met = figures["is_met"]
    p95_us = figures["p95_us"]
    return {
        "monitor": figures["monitor"],
        "availability": None if met is None else f"{figures['availability']} %",
        "objective": None if met is None else "met" if met else f"missed ({objective:g} %)",
        "budget": figures["budget"],
        "spent": figures["spent"],
        "checks": figures["judged"],
        "missing": figures["missing"],
        "p95_ms": None if p95_us is None else round(p95_us / 1000),
    }
