"""vantage agent: the processes that probe."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import click
from psycopg.rows import DictRow

from collector import db, tokens
from collector.errors import CollectorError
from collector.operator.known import must_be_agent
from collector.operator.table import json_option, show
from collector.operator.target import on_database
from collector.options import Address


def own_enrolment_address(home: Path) -> str:
    """Return where the collector that `vantage up` runs for a home enrols agents.

    Raises: UsageError where none does.
    """
    try:
        return (home / "enrolment-address").read_text()
    except OSError as error:
        raise click.UsageError(
            f"No `vantage up` keeps a collector in {home}: name its enrolment listener with "
            "--collector, as the agent's machine reaches it."
        ) from error


@click.group()
def agent() -> None:
    """Agents: the processes that probe."""


@agent.command("token")
@click.option("--location", help="Where the new agent will be.")
@click.option(
    "--agent",
    "agent_id",
    type=click.UUID,
    help="Instead of --location: the agent that the machine is already, and stays with a new "
    "certificate.",
)
@click.option(
    "--collector",
    type=Address(),
    envvar="VANTAGE_COLLECTOR_ENROLMENT",
    show_envvar=True,
    help="host:port of the collector's enrolment listener, as the agent's machine reaches it.  "
    "[default: that of `vantage up` in --home]",
)
@on_database
def token(location: str | None, agent_id: UUID | None, collector: str | None, url: str) -> None:
    """Print a one-time token that makes one machine an agent.

    It is good for one hour.
    """
    if (location is None) == (agent_id is None):
        raise click.UsageError("Name where the new agent will be, --location, or an --agent.")
    home: Path = click.get_current_context().params["home"]
    address = collector or own_enrolment_address(home)
    with db.session(url) as connection:
        if agent_id is not None:
            click.echo(tokens.issue_again(connection, agent_id, address))
        elif location is not None:
            click.echo(tokens.issue(connection, location, address))


@agent.command("list")
@json_option
@on_database
def list_(as_json: bool, url: str) -> None:
    """List agents, where they are and when they were last seen."""
    with db.session(url) as connection:
        rows = connection.execute(db.queries("operator")["agents"]).fetchall()
    if not as_json:
        rows = [row | {"clock": clock(row)} for row in rows]
    columns = ["id", "location", "name", "is_online", "last_seen_at", "backlog", "clock"]
    show(rows, [*columns, "version", "revoked_at"], as_json=as_json)


def clock(row: DictRow) -> str | None:
    """Write how far an agent's clock is ahead, such as ``+1.2 ms ±0.4`` or ``-7,200.0 s OFF``."""
    offset_us, uncertainty_us = row["clock_offset_us"], row["clock_uncertainty_us"]
    if offset_us is None:
        return None
    if row["is_clock_off"]:
        return f"{offset_us / 1e6:+,.1f} s OFF"
    return f"{offset_us / 1000:+z.1f} ms ±{uncertainty_us / 1000:.1f}"


@agent.command("events")
@click.option("--agent", "agent_id", type=click.UUID, help="Only this agent's.")
@click.option(
    "--last", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many."
)
@json_option
@on_database
def events(agent_id: UUID | None, last: int, as_json: bool, url: str) -> None:
    """List what happened to agents, the latest first."""
    with db.session(url) as connection:
        if agent_id is not None:
            must_be_agent(connection, agent_id)
        rows = connection.execute(
            db.queries("operator")["agent_events"], {"agent_id": agent_id, "last": last}
        ).fetchall()
    show(rows, ["at", "location", "agent", "kind", "detail"], as_json=as_json)


@agent.command("revoke")
@click.argument("agent_id", type=click.UUID)
@on_database
def revoke(agent_id: UUID, url: str) -> None:
    """Shut an agent out, at once and for ever."""
    with db.session(url) as connection:
        must_be_agent(connection, agent_id)
        row = connection.execute(
            db.queries("operator")["revoke_agent"], {"id": agent_id}
        ).fetchone()
    if row is None:
        raise CollectorError(f"Agent {agent_id} was revoked already.")
    click.echo(f"Revoked {row['name']}.")
