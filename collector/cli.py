"""vantage-collector: the program that receives and stores; serve and migrate."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from collector import log
from collector.options import Address, database_option, speaks_plainly

VERSION_OPTION = click.version_option(package_name="vantage-monitor", message="%(version)s")


@click.group(context_settings={"auto_envvar_prefix": "VANTAGE_COLLECTOR", "show_default": True})
@VERSION_OPTION
def main() -> None:
    """Receive results from agents and store them exactly once."""


@main.command()
@database_option(required=True)
@click.option(
    "--authority",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/var/lib/vantage/authority"),
    show_envvar=True,
    help="Directory of the certificate authority's key; made at the first start. Several "
    "collectors share one authority.",
)
@click.option(
    "--listen",
    type=Address(),
    default="0.0.0.0:7443",
    show_envvar=True,
    help="host:port where enrolled agents deliver.",
)
@click.option(
    "--enrolment-listen",
    type=Address(),
    default="0.0.0.0:7444",
    show_envvar=True,
    help="host:port where machines become agents.",
)
@click.option(
    "--advertise",
    type=Address(host_optional=True),
    default=":7443",
    show_envvar=True,
    help="host:port that agents are told to deliver to; without a host, the one they enrolled at.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_envvar=True,
)
@speaks_plainly
def serve(
    database: str,
    authority: Path,
    listen: str,
    enrolment_listen: str,
    advertise: str,
    log_level: str,
) -> None:
    """Serve agents until SIGTERM or Ctrl-C."""
    import uvloop

    from collector import server

    log.configure(log_level)
    settings = server.Settings(database, authority, listen, enrolment_listen, advertise)
    uvloop.run(server.serve(settings))


@main.command()
@database_option(required=True)
@speaks_plainly
def migrate(database: str) -> None:
    """Bring the database's schema up to this program's. Safe to repeat."""
    from collector.migrate import migrate as apply_migrations

    applied = apply_migrations(database)
    for name in applied:
        click.echo(f"applied {name}")
    click.echo("The schema is up to date.")


if __name__ == "__main__":
    sys.exit(main())
