"""vantage monitor: what is watched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from collector import db
from collector.config import plan
from collector.config.kind import Document
from collector.config.monitors import document_of
from collector.errors import CollectorError
from collector.keyring import Keyring
from collector.monitor import (
    Monitor,
    check_monitor,
    insert_monitor,
    monitor_of,
    name_of,
    update_monitor,
)
from collector.operator import definition
from collector.operator.account import account_id
from collector.operator.known import no_monitor
from collector.operator.options import Change, Given, monitor_options
from collector.operator.table import json_option, show
from collector.operator.target import on_database
from collector.operator.terms import keyring_option
from collector.secret import NONE, Secrets, store_secrets, stored_secrets


@click.group()
def monitor() -> None:
    """Monitors: what is watched."""


@monitor.command("add")
@click.argument("target", metavar="URL")
@click.option("--account", help="Whose monitor it is.  [default: the only account]")
@monitor_options
@on_database
@keyring_option
def add(given: Given, account: str | None, keyring: Keyring, url: str) -> None:
    """Watch URL from every location, or from those named only.

    What is not as expected makes a result down; only --slow, --limit and --cert-days degrade it.
    docs/monitors.md explains every option.
    """
    with db.session(url) as connection:
        monitor_id = add_monitor(
            connection, account_id(connection, account), given.monitor, given.secrets
        )
        if given.secrets.names:
            store_secrets(connection, monitor_id, given.secrets, keyring)
    resume = f" once it is no longer paused: vantage monitor edit {monitor_id} --unset paused"
    later = resume if given.monitor.is_paused else "."
    click.echo(f"Watching {given.monitor.url} as monitor {monitor_id}{later}")


def add_monitor(
    connection: db.Connection, account_id: int, monitor: Monitor, secrets: Secrets = NONE
) -> int:
    """Check and insert a monitor; return its id. ``store_secrets`` stores its secrets.

    Raises: CollectorError for what cannot be.
    """
    check_monitor(monitor, secrets)
    return insert_monitor(connection, account_id, monitor)


@monitor.command("edit", cls=Change)
@click.argument("monitor_id", metavar="ID", type=int)
@click.option("--url", "target", help="What to watch instead.")
@monitor_options
@click.option(
    "--unset",
    multiple=True,
    metavar="OPTION",
    help="As if OPTION, such as slow, had never been given. Repeatable.",
)
@on_database
@keyring_option
def edit(given: Given, monitor_id: int, keyring: Keyring, url: str) -> None:
    """Change monitor ID: what is given, and nothing else. Its results stay with it.

    An option takes the place of all that it said before: with --limit, there are no other limits.
    """
    if not given.names:
        raise click.UsageError("There is nothing to change; give an option, such as --interval.")
    with db.session(url) as connection:
        before, after = change(connection, monitor_id, given, keyring)
    fields = dict(plan.differences(before, after))
    click.echo(f"Changed monitor {monitor_id}:" if fields else "Nothing to change.")
    for line in plan.lines_of(fields):
        click.echo(line)


def change(
    connection: db.Connection, monitor_id: int, given: Given, keyring: Keyring
) -> tuple[Document, Document]:
    """Define a monitor anew where something was given; return what it was and what it is.

    Raises: CollectorError.
    """
    row = find(connection, monitor_id)
    current = monitor_of(row)
    if current.name == name_of(current.url) and "name" not in given.names:
        current = replace(current, name="")
    stored = stored_secrets(connection, monitor_id, keyring)
    wanted, secrets = given.over(current), given.secrets_over(stored)
    check_monitor(wanted, secrets)
    update_monitor(connection, monitor_id, wanted)
    left = find(connection, monitor_id)["secrets"]
    lost = set(secrets.names) - set(left) - set(given.secrets.names)
    if lost:
        raise CollectorError(
            f"Monitor {monitor_id} would lead elsewhere, where its secrets must not go: "
            f"{', '.join(sorted(lost))}. Give them anew with it, or forget them first: "
            f"vantage secrets forget {monitor_id}"
        )
    if secrets != stored or left != row["secrets"]:
        store_secrets(connection, monitor_id, secrets, keyring)
    return document_of(current, stored), document_of(wanted, secrets)


def find(connection: db.Connection, monitor_id: int) -> dict[str, Any]:
    """Return everything about a monitor. Raises: CollectorError when there is no such monitor."""
    row = connection.execute(
        db.queries("operator")["monitor"], {"id": monitor_id, "account_id": None}
    ).fetchone()
    if row is None:
        raise no_monitor(monitor_id)
    return row


@monitor.command("list")
@json_option
@on_database
def list_(as_json: bool, url: str) -> None:
    """List monitors and how they stand over all their locations."""
    with db.session(url) as connection:
        rows = connection.execute(db.queries("operator")["monitors"]).fetchall()
    show(
        rows, ["id", "name", "state", "url", "interval_s", "locations", "account"], as_json=as_json
    )


@monitor.command("show")
@click.argument("monitor_id", metavar="ID", type=int)
@json_option
@on_database
def show_(monitor_id: int, as_json: bool, url: str) -> None:
    """Show everything about one monitor."""
    with db.session(url) as connection:
        row = find(connection, monitor_id)
    click.echo(definition.as_json(row) if as_json else definition.as_text(row))


@monitor.command("remove")
@click.argument("monitor_id", type=int)
@on_database
def remove(monitor_id: int, url: str) -> None:
    """Stop watching; the results stay."""
    with db.session(url) as connection:
        row = connection.execute(
            db.queries("operator")["remove_monitor"], {"id": monitor_id}
        ).fetchone()
    if row is None:
        raise no_monitor(monitor_id)
    click.echo(f"No longer watching {row['url']}.")
