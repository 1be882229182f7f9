"""vantage channel: where people are told, and whether it arrives."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import click
import psycopg

from collector import db, sealing
from collector.errors import CollectorError
from collector.keyring import Keyring
from collector.operator.account import account_id
from collector.operator.duration import Duration
from collector.operator.known import must_be_monitors
from collector.operator.table import json_option, show
from collector.operator.target import on_database
from collector.operator.terms import FILE, content, keyring_option
from collector.recurrence import zone
from collector.telling.destination import Destination
from collector.telling.quiet import quiet_hours

ARRIVES_S = 75.0
COLUMNS = ["id", "account", "name", "kind", "address", "waiting", "last_sent_at", "last_error"]


@click.group()
def channel() -> None:
    """Channels: where people, or programs, are told."""


@channel.command("add")
@click.argument("address", required=False)
@click.option("--address-file", type=FILE, help="File with the address, where it is a secret; -.")
@click.option("--name", help="As shown to people.  [default: what its address is recognised by]")
@click.option("--account", help="Whose incidents.  [default: the only account]")
@click.option("--operators", is_flag=True, help="Told of locations and agents, not of incidents.")
@click.option("--monitor", "monitor_ids", type=int, multiple=True, help="Only its. Repeatable.")
@click.option(
    "--least-severity",
    type=click.Choice(["degraded", "down"]),
    default="degraded",
    show_default=True,
    help="Less severe incidents are not told.",
)
@click.option(
    "--after",
    "delay_s",
    type=Duration(),
    default="0s",
    show_default=True,
    help="Once an incident has lasted this long and nobody has acknowledged it.",
)
@click.option(
    "--remind", "remind_s", type=Duration(), help="Told again this often.  [default: never]"
)
@click.option(
    "--spacing",
    "spacing_s",
    type=Duration(),
    default="60s",
    show_default=True,
    help="Between two messages; what happens meanwhile is told in one.",
)
@click.option("--quiet", metavar="HH:MM-HH:MM", help="Nothing is told then.  [default: never]")
@click.option(
    "--time-zone",
    default="UTC",
    show_default=True,
    envvar="VANTAGE_TIME_ZONE",
    show_envvar=True,
    help="Whose clocks --quiet and the times in messages are by.",
)
@on_database
@keyring_option
def add(
    address: str | None,
    address_file: Path | None,
    name: str | None,
    account: str | None,
    operators: bool,
    monitor_ids: tuple[int, ...],
    least_severity: str,
    delay_s: float,
    remind_s: float | None,
    spacing_s: float,
    quiet: str | None,
    time_zone: str,
    url: str,
    keyring: Keyring,
) -> None:
    """Tell a person, a webhook or a service.

    ADDRESS is person@example.com, https://… for a signed webhook, or the URL of a service. The URL
    of a service (docs/notifications.md) holds its key: write it to a file.
    """
    if operators and (account or monitor_ids):
        raise click.UsageError("Operators are told of locations: no --account, no --monitor.")
    destination = destination_of(address, address_file)
    quiet_from, quiet_to = quiet_hours(quiet)
    zone(time_zone)
    columns = {
        "name": name or destination.hint,
        "least_severity": least_severity,
        "monitor_ids": list(monitor_ids) or None,
        "delay_s": round(delay_s),
        "remind_s": None if remind_s is None else round(remind_s),
        "spacing_s": round(spacing_s),
        "quiet_from": quiet_from,
        "quiet_to": quiet_to,
        "time_zone": time_zone,
    }
    with db.session(url) as connection:
        owner = None if operators else account_id(connection, account)
        must_be_monitors(connection, monitor_ids, owner)
        number = insert(connection, keyring, owner, destination, columns)
    click.echo(f"Channel {number} tells {destination.hint}. Try it: vantage channel test {number}")
    if destination.secret:
        click.echo(f"It signs with {destination.secret}, which is shown only now.")


def destination_of(address: str | None, file: Path | None) -> Destination:
    """Return where the argument, or else the file, leads; what is secret must be in the file.

    Raises: UsageError, CollectorError.
    """
    if (address is None) == (file is None):
        raise click.UsageError("Give the address, or --address-file.")
    destination = Destination.of(address or content(file) or "")
    if address is not None and destination.kind == "service":
        raise CollectorError(
            "The URL of a service holds its key, and arguments are seen by others: write it to a "
            "file and name that with --address-file, or - for standard input."
        )
    return destination


def insert(
    connection: db.Connection,
    keyring: Keyring,
    account_id: int | None,
    destination: Destination,
    columns: Mapping[str, object],
) -> int:
    """Seal the address and add the channel; return its number.

    ``account_id`` None: the operators'. Raises: CollectorError for what cannot be.
    """
    sealing.publish(connection, keyring)
    subject = sealing.channel(account_id)
    key_id, sealed = sealing.seal(connection, subject, destination.encode())
    values = {
        **columns,
        "account_id": account_id,
        "kind": destination.kind,
        "hint": destination.hint,
        "key_id": key_id,
        "sealed": sealed,
    }
    try:
        row = connection.execute(db.queries("channels")["add"], values).fetchone()
    except psycopg.errors.UniqueViolation as error:
        raise CollectorError(
            f"There is a channel named {columns['name']!r} already. Choose another --name."
        ) from error
    except psycopg.errors.CheckViolation as error:
        raise CollectorError(
            "A channel has a name of 1 to 100 characters, --after up to 24h, --remind 5m to "
            "168h, --spacing up to 1h."
        ) from error
    assert row is not None  # noqa: S101 - INSERT ... RETURNING
    return int(row["id"])


@channel.command("list")
@json_option
@on_database
def list_(as_json: bool, url: str) -> None:
    """List channels, what waits for them, and why it does not arrive."""
    with db.session(url) as connection:
        rows = connection.execute(db.queries("channels")["list"]).fetchall()
    show(rows, COLUMNS, as_json=as_json)


@channel.command("word")
@click.argument("channel_id", metavar="ID", type=int)
@click.option("--subject", help="With {fields}.  [default: Vantage's]")
@click.option("--text-file", type=FILE, help="File of the text, with {fields}; -.")
@on_database
def word(channel_id: int, subject: str | None, text_file: Path | None, url: str) -> None:
    """Tell channel ID in words of your own; without any, in Vantage's.

    docs/notifications.md lists the {fields}, such as {monitor} and {summary}.
    """
    text = None if text_file is None else (content(text_file) or "").strip()
    values = {"id": channel_id, "subject": subject or None, "text": text or None}
    with db.session(url) as connection:
        row = connection.execute(db.queries("channels")["word"], values).fetchone()
    if row is None:
        raise CollectorError(f"There is no channel {channel_id}. See: vantage channel list")
    click.echo(f"Saved. Try it: vantage channel test {channel_id}")


@channel.command("test")
@click.argument("channel_id", metavar="ID", type=int)
@on_database
def test(channel_id: int, url: str) -> None:
    """Send a test to channel ID and wait for what becomes of it."""
    statements = db.queries("channels")
    with db.session(url) as connection:
        row = connection.execute(statements["test"], {"id": channel_id}).fetchone()
    if row is None:
        raise CollectorError(f"There is no channel {channel_id}. See: vantage channel list")
    deadline = time.monotonic() + ARRIVES_S
    while time.monotonic() < deadline:
        with db.session(url) as connection:
            found = connection.execute(statements["notification"], row).fetchone()
        if found is None:
            raise CollectorError(f"Channel {channel_id} was removed meanwhile.")
        if found["sent_at"] is not None:
            click.echo("Sent. See whether it arrived.")
            return
        if found["last_error"] is not None:
            raise CollectorError(f"It was not sent. {found['last_error']}")
        time.sleep(0.2)
    raise CollectorError("Nobody has sent it yet: is `vantage-collector notify` running?")


@channel.command("remove")
@click.argument("channel_id", metavar="ID", type=int)
@on_database
def remove(channel_id: int, url: str) -> None:
    """Tell channel ID no more; also what it was told is forgotten."""
    with db.session(url) as connection:
        row = connection.execute(db.queries("channels")["remove"], {"id": channel_id}).fetchone()
    if row is None:
        raise CollectorError(f"There is no channel {channel_id}. See: vantage channel list")
    click.echo(f"{row['name']} is told no more.")
