"""vantage maintenance: when somebody works on what is watched; it counts for no availability."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import click
import psycopg

from collector import db
from collector.errors import CollectorError
from collector.maintenance import length
from collector.operator.account import account_id
from collector.operator.dates import TIME
from collector.operator.duration import Duration, written
from collector.operator.known import no_monitor
from collector.operator.table import json_option, show
from collector.operator.target import on_database
from collector.recurrence import Recurrence, check_rule, zone

SHOWN = 3
YEARS = timedelta(days=400)
BECAME = {
    "ended": "It ends now.",
    "removed": "Removed.",
    "undone": "Removed. It was over: its time counts for availability again.",
}


@click.group()
def maintenance() -> None:
    """Maintenance: when somebody works on what is watched."""


@maintenance.command("add")
@click.option("--monitor", "monitor_id", type=int, help="Its id.  [default: the account's every]")
@click.option("--account", help="Whose monitors.  [default: the only account]")
@click.option("--from", "begins_at", type=TIME, help="When it begins.  [default: now]")
@click.option("--for", "lasts_s", type=Duration(), required=True, help="Such as 90m or 2h.")
@click.option(
    "--time-zone",
    default="UTC",
    show_default=True,
    envvar="VANTAGE_TIME_ZONE",
    show_envvar=True,
    help="Whose clocks --from is by.",
)
@click.option("--title", default="", help="As shown to people.")
@click.option("--rule", help="How it comes again, RFC 5545: FREQ=WEEKLY;BYDAY=SU.  [default: once]")
@on_database
def add(
    monitor_id: int | None,
    account: str | None,
    begins_at: datetime | None,
    lasts_s: float,
    time_zone: str,
    title: str,
    rule: str | None,
    url: str,
) -> None:
    """Plan maintenance, once or again and again.

    Results meanwhile count for no availability, and nobody is told of failures.
    """
    lasts = length(lasts_s)
    local = begins_at or datetime.now(zone(time_zone)).replace(tzinfo=None, microsecond=0)
    from_at = local.replace(tzinfo=zone(time_zone)).astimezone(UTC)
    values = {
        "monitor_id": monitor_id,
        "from_at": from_at,
        "to_at": from_at + lasts,
        "first_at": local,
        "time_zone": time_zone,
        "duration_s": int(lasts.total_seconds()),
        "rule": None if rule is None else check_rule(rule),
        "title": title,
    }
    with db.session(url) as connection:
        values["account_id"] = owner(connection, monitor_id, account)
        statement = db.queries("maintenance")["add" if rule is None else "add_rule"]
        try:
            row = connection.execute(statement, values).fetchone()
        except psycopg.errors.CheckViolation as error:
            raise CollectorError(
                f"The rule {rule!r} cannot be followed here: write FREQ, INTERVAL, COUNT, UNTIL "
                "(in UTC), BYDAY, BYMONTHDAY, BYMONTH, BYSETPOS and WKST only."
            ) from error
    assert row is not None  # noqa: S101 - INSERT ... RETURNING
    if rule is None:
        click.echo(f"Maintenance {row['id']}: {from_at:%Y-%m-%d %H:%M} UTC for {written(lasts_s)}.")
        return
    click.echo(f"Rule {row['id']}. It next begins:")
    recurrence = Recurrence(local, time_zone, check_rule(rule))
    now = datetime.now(UTC)
    for at in islice(recurrence.between(now - lasts, now + YEARS), SHOWN):
        click.echo(f"  {at.astimezone(zone(time_zone)):%a %Y-%m-%d %H:%M %Z}")


def owner(connection: db.Connection, monitor_id: int | None, account: str | None) -> int:
    """Return the account that a monitor, or a name, stands for. Raises: CollectorError."""
    if monitor_id is None:
        return account_id(connection, account)
    statement = db.queries("maintenance")["owner"]
    row = connection.execute(statement, {"monitor_id": monitor_id}).fetchone()
    if row is None or (
        account is not None and account_id(connection, account) != row["account_id"]
    ):
        raise no_monitor(monitor_id)
    return int(row["account_id"])


@maintenance.command("list")
@click.option("--rules", is_flag=True, help="What comes again, instead of each window.")
@click.option("--over", is_flag=True, help="Also what is over.")
@json_option
@on_database
def list_(rules: bool, over: bool, as_json: bool, url: str) -> None:
    """List windows that last or are to come, or the rules that make them."""
    columns = ["id", "account", "monitor"]
    columns += ["first_at", "time_zone", "duration_s"] if rules else ["from_at", "to_at", "rule"]
    columns += ["rule", "title"] if rules else ["title"]
    with db.session(url) as connection:
        statement = db.queries("maintenance")["rules" if rules else "list"]
        rows = connection.execute(statement, {"over": over}).fetchall()
    show(rows, columns, as_json=as_json)


@maintenance.command("remove")
@click.argument("number", metavar="ID", type=int)
@click.option("--rule", is_flag=True, help="ID is a rule's: it makes no more windows.")
@on_database
def remove(number: int, rule: bool, url: str) -> None:
    """Remove a window, or end the one that lasts.

    With --rule, remove a rule with its windows to come.
    """
    statement = db.queries("maintenance")["remove_rule" if rule else "end"]
    with db.session(url) as connection:
        row = connection.execute(statement, {"id": number}).fetchone()
    became = None if row is None else row["rule" if rule else "became"]
    if became is None:
        what, option = ("rule", " --rules") if rule else ("maintenance", "")
        raise CollectorError(f"There is no {what} {number}. See: vantage maintenance list{option}")
    click.echo("Removed; windows that began stay." if rule else BECAME[became])
