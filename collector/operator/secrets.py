"""vantage secrets: what monitors must know and nobody else, and the keys that seal it."""

from __future__ import annotations

import click

from collector import db, sealing
from collector.errors import CollectorError
from collector.keyring import Keyring
from collector.operator.monitor import find
from collector.operator.table import json_option, show
from collector.operator.target import on_database
from collector.operator.terms import keyring_option, secret_options
from collector.request import Request
from collector.secret import Secrets, reseal, store_secrets
from collector.terms import Terms, check_terms


@click.group()
def secrets() -> None:
    """Secrets of monitors, and the keys that seal them."""


@secrets.command("list")
@json_option
@on_database
def list_(as_json: bool, url: str) -> None:
    """List which monitors have which secrets, sealed by which key."""
    with db.session(url) as connection:
        rows = connection.execute(db.queries("secrets")["sealed"]).fetchall()
    columns = ["monitor_id", "name", "key_id", "set_at"]
    show([{name: row[name] for name in columns} for row in rows], columns, as_json=as_json)


@secrets.command("set")
@click.argument("monitor_id", metavar="ID", type=int)
@secret_options
@on_database
@keyring_option
def set_(monitor_id: int, secrets: Secrets, keyring: Keyring, url: str) -> None:
    """Set all secrets of monitor ID anew; those it had are forgotten."""
    if not secrets.names:
        raise click.UsageError("There is nothing to set. To forget secrets: vantage secrets forget")
    with db.session(url) as connection:
        row = find(connection, monitor_id)
        terms = Terms(client_certificate=row["client_certificate"], proxy=row["proxy"])
        request = Request(is_paired=row["is_paired"])
        check_terms(terms, secrets, row["url"], request, timeout_us=row["timeout_us"])
        store_secrets(connection, monitor_id, secrets, keyring)
    click.echo(f"Set for monitor {monitor_id}: {', '.join(secrets.names)}.")


@secrets.command("forget")
@click.argument("monitor_id", metavar="ID", type=int)
@on_database
def forget(monitor_id: int, url: str) -> None:
    """Forget every secret of monitor ID; it is requested without them."""
    with db.session(url) as connection:
        row = connection.execute(
            db.queries("secrets")["keep_only"], {"monitor_id": monitor_id, "names": []}
        ).fetchone()
    if row is None:
        raise CollectorError(f"Monitor {monitor_id} has no secrets. See: vantage secrets list")
    click.echo(f"Monitor {monitor_id} has no secrets any more.")


@secrets.command("new-key")
@on_database
@keyring_option
def new_key(keyring: Keyring, url: str) -> None:
    """Make a new key, the first in the file. Copy the file to every collector, then rotate."""
    with db.session(url) as connection:
        is_sealed = connection.execute(db.queries("channels")["is_sealed"]).fetchone() is not None
        if is_sealed and not keyring.exists:
            raise CollectorError(
                f"{keyring.file} is missing; name the file in use with --secret-key-file."
            )
        key_id = keyring.add()
        if sealing.published(connection) is None:
            sealing.publish(connection, keyring)
    click.echo(f"The key {key_id} is now the newest in {keyring.file}.")


@secrets.command("rotate")
@on_database
@keyring_option
def rotate(keyring: Keyring, url: str) -> None:
    """Seal everything with the newest key, all or nothing."""
    with db.session(url) as connection:
        rows = connection.execute(db.queries("secrets")["sealed"]).fetchall()
        channels = connection.execute(db.queries("channels")["sealed"]).fetchall()
        reseal(connection, rows, keyring)
        for row in channels:
            subject = sealing.channel(row["account_id"])
            address = sealing.open_(keyring, subject, row["key_id"], bytes(row["sealed"]))
            key_id, sealed = sealing.seal(connection, subject, address)
            connection.execute(
                db.queries("channels")["reseal"],
                {"id": row["id"], "key_id": key_id, "sealed": sealed},
            )
    click.echo(
        f"Sealed with the newest key: secrets of monitors, {len(rows)}; addresses of channels, "
        f"{len(channels)}."
    )


@secrets.command("prune")
@on_database
@keyring_option
def prune(keyring: Keyring, url: str) -> None:
    """Take the keys out of the file that nothing is sealed with.

    The newest stays, and the one that everybody seals to.
    """
    with db.session(url) as connection:
        rows = connection.execute(db.queries("secrets")["sealed"]).fetchall()
        rows += connection.execute(db.queries("channels")["sealed"]).fetchall()
        published = sealing.published(connection)
    gone = keyring.keep({row["key_id"] for row in rows} | ({published} if published else set()))
    click.echo(f"Taken out: {', '.join(gone)}." if gone else "Every key is in use.")
