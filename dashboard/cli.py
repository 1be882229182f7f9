"""``vantage-dashboard``: its options, each also read from VANTAGE_DASHBOARD_*."""

from __future__ import annotations

import socket
from pathlib import Path

import click
import structlog

from dashboard import db, log, server
from dashboard.errors import DashboardError
from dashboard.settings import Settings, read_secret


@click.group(
    context_settings={
        "auto_envvar_prefix": "VANTAGE_DASHBOARD",
        "help_option_names": ["-h", "--help"],
        "show_default": True,
    }
)
@click.version_option(package_name="vantage-monitor")
def main() -> None:
    """The report centre of Vantage: what customers see of their monitors."""


@main.command()
@click.option(
    "--database",
    envvar="VANTAGE_DASHBOARD_DATABASE",
    show_envvar=True,
    required=True,
    metavar="URL",
    help="Where the results are: postgresql://vantage_dashboard@host/name.",
)
@click.option(
    "--host",
    envvar="VANTAGE_DASHBOARD_HOST",
    show_envvar=True,
    default="127.0.0.1",
    help="Address to listen on.",
)
@click.option(
    "--port",
    envvar="VANTAGE_DASHBOARD_PORT",
    show_envvar=True,
    default=8080,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0: any free one, printed.",
)
@click.option(
    "--secret-file",
    envvar="VANTAGE_DASHBOARD_SECRET_FILE",
    show_envvar=True,
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Key that signs forms; made where there is none. Several report centres share one.",
)
@click.option(
    "--allowed-host",
    "allowed_hosts",
    envvar="VANTAGE_DASHBOARD_ALLOWED_HOST",
    show_envvar=True,
    multiple=True,
    metavar="NAME",
    help="Host name to answer to; repeatable. Without it: any.",
)
@click.option(
    "--trusted-proxy",
    envvar="VANTAGE_DASHBOARD_TRUSTED_PROXY",
    show_envvar=True,
    default="127.0.0.1",
    metavar="ADDRESSES",
    help="Proxies whose X-Forwarded-For and -Proto count, separated by commas.",
)
@click.option(
    "--log-level",
    envvar="VANTAGE_DASHBOARD_LOG_LEVEL",
    show_envvar=True,
    default="info",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Least severe event to log.",
)
def serve(
    database: str,
    host: str,
    port: int,
    secret_file: Path,
    allowed_hosts: tuple[str, ...],
    trusted_proxy: str,
    log_level: str,
) -> None:
    """Serve the report centre until SIGTERM or Ctrl-C."""
    log.configure(log_level)
    settings = Settings(
        database=database,
        secret=_secret(secret_file),
        host=host,
        port=port,
        allowed_hosts=allowed_hosts,
        trusted_proxy=trusted_proxy,
        log_level=log_level,
    )
    try:
        db.require(settings.database)
        with server.listen(settings.host, settings.port) as listening:
            address = _address(listening)
            structlog.get_logger().info("report_centre_started", address=address)
            click.echo(f"Report centre: {address}")
            server.run(settings, listening)
    except DashboardError as error:
        raise click.ClickException(str(error)) from error


def _secret(path: Path) -> bytes:
    try:
        return read_secret(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise click.ClickException(
            f"The secret file {path} cannot be used: {reason}. Name another with --secret-file."
        ) from error


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
