"""vantage monitor depend: what a monitor cannot work without."""

from __future__ import annotations

from collections.abc import Sequence

import click

from collector import db
from collector.errors import CollectorError
from collector.operator.known import no_monitor
from collector.operator.target import on_database


@click.command("depend")
@click.argument("monitor_id", metavar="ID", type=int)
@click.option("--on", "parents", type=int, multiple=True, help="A monitor. Repeatable.")
@click.option("--on-nothing", is_flag=True, help="It depends on no other monitor any more.")
@on_database
def depend(monitor_id: int, parents: Sequence[int], on_nothing: bool, url: str) -> None:
    """Say what a monitor depends on: these others and no more. Without any, show them.

    While one of them has an open incident, nobody is told of the monitor's own.
    """
    if parents and on_nothing:
        raise click.UsageError("Give --on or --on-nothing.")
    with db.session(url) as connection:
        account = account_of(connection, monitor_id)
        if parents or on_nothing:
            for parent in parents:
                if account_of(connection, parent) != account:
                    raise CollectorError(f"Monitor {parent} is another account's.")
            replace_parents(connection, monitor_id, parents)
        rows = connection.execute(db.queries("operator")["parents"], {"id": monitor_id}).fetchall()
    found = ", ".join(f"{row['id']} ({row['name']})" for row in rows)
    click.echo(f"Monitor {monitor_id} depends on {found or 'no other'}.")


def account_of(connection: db.Connection, monitor_id: int) -> int:
    """Whose monitor it is. Raises: CollectorError."""
    row = connection.execute(db.queries("operator")["account_of"], {"id": monitor_id}).fetchone()
    if row is None:
        raise no_monitor(monitor_id)
    return int(row["account_id"])


def replace_parents(connection: db.Connection, monitor_id: int, parents: Sequence[int]) -> None:
    """Make it depend on these and no others. Raises: CollectorError for a circle."""
    values = {"id": monitor_id, "parent_ids": sorted(set(parents))}
    statements = db.queries("config")
    # Two at one time must not make a circle together.
    connection.execute(db.queries("operator")["lock_dependencies"], {"id": monitor_id})
    connection.execute(statements["remove_dependencies"], values)
    if connection.execute(statements["depends_on_itself"], values).fetchall():
        raise CollectorError(
            f"Monitor {monitor_id} would depend on itself, through others perhaps."
        )
    connection.execute(statements["add_dependencies"], values)
