"""vantage db: setting the database up; what it keeps, and for how long."""

from __future__ import annotations

from pathlib import Path

import click

from collector import db, prerequisites, roles
from collector.errors import CollectorError
from collector.migrate import migrate
from collector.operator.table import json_option, show
from collector.operator.target import on_database
from collector.options import database_option, password_file_option

RELATIONS = ("results", "exchanges", "gaps", "medians", "totals_1h", "rollups_1h", "rollups_1d")


@click.group("db")
def database() -> None:
    """The database: set it up, say what it keeps."""


@database.command()
@json_option
@on_database
def retention(as_json: bool, url: str) -> None:
    """Show how long tables are kept, and how far they reach back.

    Nothing in a table is older than that; its oldest row may be younger, as whole chunks go.
    """
    with db.session(url) as connection:
        rows = connection.execute(db.queries("upkeep")["retention"]).fetchall()
    show(rows, ["relation", "keep_days", "nothing_before_at"], as_json=as_json)


@database.command()
@click.argument("relation", metavar="TABLE", type=click.Choice(RELATIONS))
@click.argument("days", type=click.IntRange(1, 36_500), required=False)
@click.option("--for-ever", is_flag=True, help="Never drop anything.")
@click.option(
    "--account",
    envvar="VANTAGE_ACCOUNT",
    show_envvar=True,
    help="Of this account alone: its results go sooner than others'.",
)
@on_database
def keep(relation: str, days: int | None, for_ever: bool, account: str | None, url: str) -> None:
    """Keep a table's rows for DAYS, or for ever. A collector drops older ones within the hour."""
    if (days is None) != for_ever:
        raise click.UsageError("Give DAYS or --for-ever.")
    if account is not None and relation != "results":
        raise click.UsageError("Only results can be limited by account.")
    limit = ""
    with db.session(url) as connection:
        if account is None:
            connection.execute(db.queries("upkeep")["keep"], {"relation": relation, "days": days})
        else:
            plan_days = _keep_of_account(connection, account, days)
            limit = " at most"
            if plan_days is not None and (days is None or days > plan_days):
                days, limit = plan_days, " at most: its plan has no more"
    what = f"{relation} of {account}" if account else relation
    click.echo(f"{what}: kept for ever" if days is None else f"{what}: kept {days} days{limit}")


def _keep_of_account(connection: db.Connection, account: str, days: int | None) -> int | None:
    """Limit an account's results; return what its plan says, None: nothing."""
    found = connection.execute(
        db.queries("upkeep")["keep_of_account"], {"account": account, "days": days}
    ).fetchone()
    if found is None:
        raise CollectorError(f"There is no account {account}. See them with: vantage account list")
    plan_days: int | None = found["plan_days"]
    return plan_days


@database.command()
@database_option(required=True)
@password_file_option("collector")
@password_file_option("dashboard")
@password_file_option("reader")
def init(
    database: str,
    collector_password_file: Path | None,
    dashboard_password_file: Path | None,
    reader_password_file: Path | None,
) -> None:
    """Set a database up: its extension, schema and roles. Safe to repeat.

    As a superuser, or as a database's owner who may create roles, such as a managed server's.
    """
    passwords = roles.read_passwords(
        collector_password_file, dashboard_password_file, reader_password_file
    )
    prerequisites.check(database)
    migrate(database, _tell)
    roles.set_passwords(database, passwords)
    click.echo("The database is ready.")


def _tell(step: str, done: int = 0, total: int = 0) -> None:
    click.echo(step)
