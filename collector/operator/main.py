"""vantage: the commands, and the two that are about the whole installation: up and psql."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import click

from collector.errors import CollectorError
from collector.operator.account import account
from collector.operator.agent import agent
from collector.operator.apply import apply, export
from collector.operator.channel import channel
from collector.operator.database import database as db_group
from collector.operator.dependencies import depend
from collector.operator.duration import Duration
from collector.operator.importing import import_
from collector.operator.incident import incident
from collector.operator.location import location
from collector.operator.mail import mail
from collector.operator.maintenance import maintenance
from collector.operator.monitor import monitor
from collector.operator.plan import plan
from collector.operator.report import report
from collector.operator.run import run
from collector.operator.secrets import secrets
from collector.operator.target import default_home, home_option, local_database
from collector.options import Network, Program, PublicUrl, database_option

AGENT_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")


@click.group(cls=Program)
@click.version_option(package_name="vantage-monitor", message="%(version)s")
def main() -> None:
    """Measure URLs from many places: run everything here, and say what is watched."""


for command in (
    account,
    agent,
    apply,
    channel,
    db_group,
    export,
    import_,
    incident,
    location,
    mail,
    maintenance,
    monitor,
    plan,
    report,
    secrets,
):
    main.add_command(command)
monitor.add_command(run)
monitor.add_command(depend)


@main.command()
@click.argument("urls", nargs=-1, metavar="[URL]...")
@home_option
@database_option()
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8080,
    show_default=True,
    envvar="VANTAGE_PORT",
    show_envvar=True,
    help="Of the dashboard, on 127.0.0.1.",
)
@click.option(
    "--for",
    "duration_s",
    type=Duration(),
    envvar="VANTAGE_FOR",
    show_envvar=True,
    help="Stop after this long, such as 90s or 10m.  [default: until Ctrl-C]",
)
@click.option(
    "--agent-host",
    envvar="VANTAGE_AGENT_HOST",
    show_envvar=True,
    help="Let agents on other machines join too: the name or address they reach this one at "
    "(ports 7443 and 7444).",
)
@click.option(
    "--mirror",
    envvar="VANTAGE_MIRROR",
    show_envvar=True,
    help="Debian mirror to fetch the private database from.  [default: this machine's own]",
)
@click.option(
    "--insecure-mirror",
    is_flag=True,
    envvar="VANTAGE_INSECURE_MIRROR",
    show_envvar=True,
    help="Fetch it even where its signature cannot be verified.",
)
@click.option(
    "--smtp",
    envvar="VANTAGE_SMTP",
    show_envvar=True,
    metavar="URL",
    help="Mail server: smtp://[user@]host[:587] or smtps://[user@]host[:465]. Without it, no mail.",
)
@click.option(
    "--smtp-password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="VANTAGE_SMTP_PASSWORD_FILE",
    show_envvar=True,
    help="File that holds the mail server's password.",
)
@click.option(
    "--mail-from",
    default="",
    envvar="VANTAGE_MAIL_FROM",
    show_envvar=True,
    metavar="ADDRESS",
    help="Whom mail comes from.",
)
@click.option(
    "--public-url",
    type=PublicUrl(),
    envvar="VANTAGE_PUBLIC_URL",
    show_envvar=True,
    metavar="URL",
    help="Where links in mail lead.  [default: http://127.0.0.1:PORT]",
)
@click.option(
    "--registration",
    type=click.Choice(["closed", "invite", "open"]),
    default="closed",
    show_default=True,
    envvar="VANTAGE_REGISTRATION",
    show_envvar=True,
    help="Who can become a member: nobody; whom an owner invites; anybody who can read mail at an "
    "address, which needs --smtp.",
)
@click.option(
    "--allow-network",
    "allow_networks",
    type=Network(),
    multiple=True,
    envvar="VANTAGE_ALLOW_NETWORK",
    show_envvar=True,
    metavar="CIDR",
    help="Network that monitors and webhooks may lead to although it is not public. Repeatable.  "
    "[default: this machine and private networks; with --registration open: none]",
)
def up(
    urls: Sequence[str],
    home: Path,
    database: str | None,
    port: int,
    duration_s: float | None,
    agent_host: str | None,
    mirror: str | None,
    insecure_mirror: bool,
    smtp: str | None,
    smtp_password_file: Path | None,
    mail_from: str,
    public_url: str | None,
    registration: str,
    allow_networks: Sequence[IPv4Network | IPv6Network],
) -> None:
    """Run everything on this machine.

    That is database, collector, three agents and dashboard. Watches each URL every 10 s; without
    any, a demonstration target of its own. A second run goes on with the data of the first.
    """
    import uvloop

    from collector.console import Console
    from collector.private_server import default_cache
    from collector.up import up as run_everything
    from collector.up_settings import Mail, Settings

    if agent_host is not None:
        check_agent_host(agent_host)
    settings = Settings(
        home=home,
        urls=urls,
        port=port,
        database=database,
        agent_host=agent_host,
        duration_s=duration_s,
        cache=default_cache(),
        mirror=mirror,
        insecure_mirror=insecure_mirror,
        mail=Mail(smtp, smtp_password_file, mail_from, public_url or f"http://127.0.0.1:{port}")
        if smtp
        else None,
        query=typed(sys.argv[0], "psql", home),
        registration=registration,
        allow_networks=allow_networks,
    )
    if settings.mail is not None:
        settings.mail.check()
    elif registration == "open":
        raise CollectorError(
            "--registration open sends a link to whoever registers, and there is no mail server. "
            "Name one with --smtp, or let owners invite: --registration invite."
        )
    uvloop.run(run_everything(settings, Console()))


def check_agent_host(host: str) -> None:
    """Raise UsageError for what agents elsewhere cannot be told as this machine's name."""
    if not AGENT_HOST.fullmatch(host):
        raise click.UsageError(
            f"--agent-host {host!r} is no name or address: write it without a port, such as "
            "centre.example, 192.0.2.7 or [2001:db8::7]."
        )


def typed(program: str, command: str, home: Path) -> str:
    """Word a command about ``home`` as whoever started ``program`` can type it."""
    if shutil.which("vantage") == program:
        program = "vantage"
    is_usual = str(home) in (str(default_home()), os.environ.get("VANTAGE_HOME"))
    return f"{program} {command}" + ("" if is_usual else f" --home {shlex.quote(str(home))}")


@main.command()
@home_option
@database_option()
@click.option(
    "-c",
    "--command",
    "statements",
    multiple=True,
    help="Run this SQL and print what it returns. Repeatable.",
)
def psql(home: Path, database: str | None, statements: Sequence[str]) -> None:
    """Open psql on the database, as the role that may only read."""
    from collector.psql import READER, psql_command

    if database is not None:
        program = psql_command(database, statements=statements)
    else:
        local = local_database(home)
        program = psql_command(local.url(role=READER), server=local.server, statements=statements)
    os.execvpe(program.argv[0], program.argv, program.environment)  # noqa: S606 - no shell
