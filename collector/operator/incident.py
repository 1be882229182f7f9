"""vantage incident: what is out or was, and what people did about it."""

from __future__ import annotations

import getpass

import click

from collector import db
from collector.errors import CollectorError
from collector.operator.known import must_be_monitors
from collector.operator.table import json_option, show
from collector.operator.target import on_database

WORDS_MAX = 20_000


def by_option(command: click.decorators.FC) -> click.decorators.FC:
    """Add ``--by``: who does it."""
    return click.option(
        "--by",
        default=getpass.getuser,
        show_default="your name on this machine",
        envvar="VANTAGE_BY",
        show_envvar=True,
        help="Who, as people shall see it.",
    )(command)


@click.group()
def incident() -> None:
    """Incidents: outages that enough locations agreed on."""


@incident.command("list")
@click.option("--open", "only_open", is_flag=True, help="Only those that are not closed.")
@click.option("--monitor", "monitor_id", type=int, help="Only of this monitor.")
@click.option(
    "--last", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many."
)
@json_option
@on_database
def list_(only_open: bool, monitor_id: int | None, last: int, as_json: bool, url: str) -> None:
    """List incidents, the newest first."""
    with db.session(url) as connection:
        must_be_monitors(connection, [] if monitor_id is None else [monitor_id])
        rows = connection.execute(
            db.queries("incident")["list"],
            {"only_open": only_open, "monitor_id": monitor_id, "last": last},
        ).fetchall()
    columns = ["id", "state", "monitor", "severity", "began_at", "recovered_at", "silenced_by",
               "acknowledged_by", "summary"]  # fmt: skip
    show(rows, columns, as_json=as_json)


@incident.command("show")
@click.argument("incident_id", metavar="ID", type=int)
@json_option
@on_database
def show_(incident_id: int, as_json: bool, url: str) -> None:
    """Show what each location saw in an incident, and what happened."""
    statements = db.queries("incident")
    with db.session(url) as connection:
        found = require(connection, incident_id)
        evidence = connection.execute(statements["evidence"], {"id": incident_id}).fetchall()
        events = connection.execute(statements["events"], {"id": incident_id}).fetchall()
    if as_json:
        show([{**found, "evidence": evidence, "events": events}], [], as_json=True)
        return
    click.echo(f"{found['monitor']}: {found['state']}. {found['summary']}")
    if found["silenced_by"]:
        click.echo(
            f"Nobody is told: something it depends on is down, incident {found['silenced_by']}."
        )
    click.echo()
    columns = ["location", "which", "slot_at", "failure", "failed_phase", "target_ip", "detail"]
    show(evidence, columns, as_json=False)
    click.echo()
    show(events, ["at", "kind", "author", "failing_since_at", "detail"], as_json=False)
    if found["post_mortem"]:
        click.echo(f"\n{found['post_mortem']}")


@incident.command("ack")
@click.argument("incident_id", metavar="ID", type=int)
@by_option
@on_database
def ack(incident_id: int, by: str, url: str) -> None:
    """Take an incident on: reminders and escalations end."""
    with db.session(url) as connection:
        found = require(connection, incident_id)
        taken = connection.execute(
            db.queries("incident")["acknowledge"], {"id": incident_id, "by": by}
        ).fetchone()
    if taken is None:
        raise CollectorError(
            f"Incident {incident_id} was taken on by {found['acknowledged_by']} already."
        )
    click.echo(f"{by} takes on incident {incident_id}: {found['summary']}")


@incident.command("note")
@click.argument("incident_id", metavar="ID", type=int)
@click.argument("text")
@by_option
@on_database
def note(incident_id: int, text: str, by: str, url: str) -> None:
    """Write something down about an incident."""
    if not text.strip() or len(text) > WORDS_MAX or "\0" in text:
        raise CollectorError(f"A note is a text of 1 to {WORDS_MAX:,} characters.")
    with db.session(url) as connection:
        require(connection, incident_id)
        connection.execute(
            db.queries("incident")["note"], {"id": incident_id, "by": by, "text": text.strip()}
        )
    click.echo("Noted.")


def require(connection: db.Connection, incident_id: int) -> dict[str, object]:
    """Return an incident. Raises: CollectorError where there is none."""
    row = None
    if 0 < incident_id < 2**63:
        row = connection.execute(db.queries("incident")["one"], {"id": incident_id}).fetchone()
    if row is None:
        raise CollectorError(f"There is no incident {incident_id}. See: vantage incident list")
    return row
