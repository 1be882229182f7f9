"""vantage db: what the database keeps, and for how long."""

from __future__ import annotations

import click

from collector import db
from collector.operator.table import json_option, show
from collector.operator.target import on_database

RELATIONS = ("results", "exchanges", "gaps", "rollups_1h", "rollups_1d")


@click.group("db")
def database() -> None:
    """What the database keeps."""


@database.command()
@json_option
@on_database
def retention(as_json: bool, url: str) -> None:
    """Show how many days each table is kept, and since when it has rows."""
    with db.session(url) as connection:
        rows = connection.execute(db.queries("upkeep")["retention"]).fetchall()
    show(rows, ["relation", "keep_days", "oldest_at"], as_json=as_json)


@database.command()
@click.argument("relation", type=click.Choice(RELATIONS))
@click.argument("days", type=click.IntRange(1, 36_500), required=False)
@click.option("--for-ever", is_flag=True, help="Never drop anything.")
@on_database
def keep(relation: str, days: int | None, for_ever: bool, url: str) -> None:
    """Keep a table's rows for DAYS, or for ever. A collector drops older ones within the hour."""
    if (days is None) != for_ever:
        raise click.UsageError("Give DAYS or --for-ever.")
    with db.session(url) as connection:
        connection.execute(db.queries("upkeep")["keep"], {"relation": relation, "days": days})
    click.echo(f"{relation}: kept for ever" if for_ever else f"{relation}: kept {days} days")
