"""vantage-collector: the program that receives and stores; serve and migrate."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import click

from collector import log
from collector.options import (
    Address,
    Network,
    Program,
    PublicUrl,
    database_option,
    password_file_option,
    read_secret,
)

authority_option = click.option(
    "--authority",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/var/lib/vantage/authority"),
    envvar="VANTAGE_COLLECTOR_SERVE_AUTHORITY",
    show_envvar=True,
    help="Directory of the certificate authority's key; made at the first start. Several "
    "collectors share one authority.",
)
metrics_listen_option = click.option(
    "--metrics-listen",
    type=Address(host_optional=True),
    show_envvar=True,
    help="host:port of /metrics for Prometheus, plain HTTP; without a host, on 127.0.0.1.  "
    "[default: nowhere]",
)
log_level_option = click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_envvar=True,
    help="Least severe event to log.",
)
VERSION_OPTION = click.version_option(package_name="vantage-monitor", message="%(version)s")


@click.group(
    cls=Program,
    context_settings={"auto_envvar_prefix": "VANTAGE_COLLECTOR", "show_default": True},
)
@VERSION_OPTION
def main() -> None:
    """Receive results from agents and store them exactly once."""


@main.command()
@database_option(required=True)
@authority_option
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
    "--secret-key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("/var/lib/vantage/secret.key"),
    envvar="VANTAGE_SECRET_KEY_FILE",
    show_envvar=True,
    help="File of the keys that seal monitors' secrets; needed once there are any. Several "
    "collectors share one.",
)
@click.option(
    "--clock-bound",
    type=click.FloatRange(min=0.01),
    default=1.0,
    show_envvar=True,
    help="Seconds by which an agent's clock may be off before the agent is flagged.",
)
@click.option(
    "--health-listen",
    type=Address(host_optional=True),
    show_envvar=True,
    help="host:port where balancers ask for grpc.health.v1, without TLS; without a host, on "
    "127.0.0.1.  [default: nowhere]",
)
@metrics_listen_option
@log_level_option
def serve(
    database: str,
    authority: Path,
    listen: str,
    enrolment_listen: str,
    advertise: str,
    secret_key_file: Path,
    clock_bound: float,
    health_listen: str | None,
    metrics_listen: str | None,
    log_level: str,
) -> None:
    """Serve agents until SIGTERM or Ctrl-C."""
    import uvloop

    from collector import server
    from collector.migrate import migrated

    log.configure(log_level)
    settings = server.Settings(
        database=database,
        authority=authority,
        listen=listen,
        enrolment_listen=enrolment_listen,
        advertise=advertise,
        secret_key_file=secret_key_file,
        clock_bound_s=clock_bound,
        health_listen=health_listen,
        metrics_listen=metrics_listen,
    )
    with migrated(database):
        uvloop.run(server.serve(settings))


@main.command()
@database_option(required=True)
@click.option(
    "--secret-key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("/var/lib/vantage/secret.key"),
    envvar="VANTAGE_SECRET_KEY_FILE",
    show_envvar=True,
    help="File of the keys that open channels' addresses; the collectors'.",
)
@click.option(
    "--smtp",
    show_envvar=True,
    metavar="URL",
    help="Mail server: smtp://[user@]host[:587] or smtps://[user@]host[:465]. Without it, no mail.",
)
@click.option(
    "--smtp-password-file",
    type=click.Path(path_type=Path),
    show_envvar=True,
    help="File that holds the mail server's password.",
)
@click.option(
    "--mail-from", default="", show_default=False, show_envvar=True, help="Whom mail comes from."
)
@click.option(
    "--public-url",
    type=PublicUrl(),
    show_envvar=True,
    metavar="URL",
    help="How people reach the report centre: where links lead. Without it, no links.",
)
@metrics_listen_option
@click.option(
    "--allow-network",
    type=Network(),
    multiple=True,
    show_envvar=True,
    metavar="CIDR",
    help="Network that webhooks may be in although it is not public. Repeatable.",
)
@log_level_option
def notify(
    database: str,
    secret_key_file: Path,
    smtp: str | None,
    smtp_password_file: Path | None,
    mail_from: str,
    public_url: str | None,
    metrics_listen: str | None,
    allow_network: tuple[IPv4Network | IPv6Network, ...],
    log_level: str,
) -> None:
    """Tell people of incidents until SIGTERM or Ctrl-C. As many may run as you like."""
    import uvloop

    from collector.migrate import migrated
    from collector.telling import mailer, notifier

    log.configure(log_level)
    password = "" if smtp_password_file is None else read_secret(smtp_password_file)
    settings = notifier.Settings(
        database=database,
        secret_key_file=secret_key_file,
        mail_server=mailer.parse(smtp, password, mail_from) if smtp else None,
        public_url=public_url or "",
        allow=allow_network,
        metrics_listen=metrics_listen,
    )
    with migrated(database):
        uvloop.run(notifier.serve(settings))


@main.command()
@database_option(required=True)
@password_file_option("collector")
@password_file_option("dashboard")
@password_file_option("reader")
@click.option(
    "--before-restart",
    is_flag=True,
    show_envvar=True,
    help="Leave what programs of the version before use. Once none of them runs any more, migrate"
    " without this.",
)
def migrate(
    database: str,
    before_restart: bool,
    collector_password_file: Path | None,
    dashboard_password_file: Path | None,
    reader_password_file: Path | None,
) -> None:
    """Bring the database's schema up to this program's. Safe to repeat.

    The roles that it makes have no password until one is given here.
    """
    from collector import roles
    from collector.migrate import migrate as apply_migrations

    passwords = roles.read_passwords(
        collector_password_file, dashboard_password_file, reader_password_file
    )
    applied = apply_migrations(database, before_restart=before_restart)
    for name in applied:
        click.echo(f"applied {name}")
    roles.set_passwords(database, passwords)
    click.echo(
        "The schema is ready. Restart collectors, notifiers and dashboards with this version, then"
        " migrate without --before-restart."
        if before_restart
        else "The schema is up to date."
    )


@main.group()
def authority() -> None:
    """Replace the certificate authority without stopping anything."""


@authority.command()
@authority_option
def rotate(authority: Path) -> None:
    """Make the authority that follows. Copy the directory to every collector within a week."""
    from collector import authorities

    begins_at = authorities.rotate(authority)
    click.echo(
        f"Made. Agents learn of it as they renew; it signs from {begins_at:%Y-%m-%d %H:%M} UTC on. "
        "Until then, give every collector a copy of the directory."
    )


@authority.command()
@authority_option
def retire(authority: Path) -> None:
    """Forget the old authority, when no certificate of it can be alive."""
    from collector import authorities

    authorities.retire(authority)
    click.echo("Retired. Give every collector a copy of the directory.")
