"""``vantage-dashboard``: its options, each also read from VANTAGE_DASHBOARD_*."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import structlog

from dashboard import db, log, mail, payments
from dashboard.access_log import AccessLog
from dashboard.errors import DashboardError
from dashboard.settings import Settings, read_secret
from vantage.public_url import read_public_url

if TYPE_CHECKING:
    from dashboard.identity_provider import IdentityProvider

Command = TypeVar("Command", bound=Callable[..., Any])


class Program(click.Group):
    """Turns what an operator can put right into one sentence and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DashboardError as error:
            raise click.ClickException(str(error)) from error


def setting(name: str, *names: str, **attributes: Any) -> Callable[[Command], Command]:
    """Add ``--name``, which also reads VANTAGE_DASHBOARD_NAME."""
    variable = "VANTAGE_DASHBOARD_" + name.upper().replace("-", "_")
    return click.option(f"--{name}", *names, envvar=variable, show_envvar=True, **attributes)


@click.group(cls=Program, context_settings={"show_default": True})
@click.version_option(package_name="vantage-monitor")
def main() -> None:
    """The report centre of Vantage: what customers see of their monitors."""


@main.command()
@setting(
    "database",
    required=True,
    metavar="URL",
    help="Where the results are: postgresql://vantage_dashboard@host/name.",
)
@setting(
    "host",
    default="127.0.0.1",
    help="Address to listen on.",
)
@setting(
    "port",
    default=8080,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0: any free one, printed.",
)
@setting(
    "secret-file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Key that signs forms; made where there is none. Several report centres share one.",
)
@setting(
    "allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="Host name to answer to; repeatable. Without it: any.",
)
@setting(
    "trusted-proxy",
    default="127.0.0.1",
    metavar="ADDRESSES",
    help="Proxies whose X-Forwarded-For and -Proto count, separated by commas.",
)
@setting(
    "tls-cert",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="Certificate and its chain, PEM: speak TLS itself. Without it: plain HTTP, for a proxy.",
)
@setting(
    "tls-key",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="The certificate's key, PEM.",
)
@setting(
    "public-url",
    default="",
    metavar="URL",
    help="How people reach it, such as https://reports.example.com: where links in mail lead.",
)
@setting(
    "registration",
    default="closed",
    type=click.Choice(["closed", "invite", "open"]),
    help="Who can become a member: nobody; whom an owner invites; anybody with an address.",
)
@setting(
    "oidc-issuer",
    default="",
    metavar="URL",
    help="Let people sign in at this OpenID provider as well.",
)
@setting(
    "oidc-client-id",
    default="",
    metavar="ID",
    help="Whom the provider knows this report centre as.",
)
@setting(
    "oidc-client-secret-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that holds the secret that the provider gave out for it.",
)
@setting(
    "smtp",
    default="",
    metavar="URL",
    help="Mail server: smtp://[user@]host[:587] or smtps://[user@]host[:465]. Without it, no mail.",
)
@setting(
    "smtp-password-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that holds the mail server's password.",
)
@setting(
    "mail-from",
    default="",
    metavar="ADDRESS",
    help="Whom mail comes from.",
)
@setting(
    "stripe-key-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that holds Stripe's secret key: licences can be bought (extra `stripe`).",
)
@setting(
    "stripe-webhook-secret-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that holds what Stripe signs its events with.",
)
@setting(
    "stripe-api",
    default=payments.API,
    metavar="URL",
    help="Where Stripe's API is; another one for trying it out.",
)
@setting(
    "access-log",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write down every request's address, browser, host name, route and status.",
)
@setting(
    "access-log-anonymise",
    is_flag=True,
    help="Shorten addresses in the access log, to /24 and /48.",
)
@setting(
    "access-log-retention",
    type=click.IntRange(1, 36_500),
    metavar="DAYS",
    help="Delete lines of the access log before they are older. Without it: never.",
)
@setting(
    "log-level",
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
    tls_cert: Path | None,
    tls_key: Path | None,
    public_url: str,
    registration: str,
    oidc_issuer: str,
    oidc_client_id: str,
    oidc_client_secret_file: Path | None,
    smtp: str,
    smtp_password_file: Path | None,
    mail_from: str,
    stripe_key_file: Path | None,
    stripe_webhook_secret_file: Path | None,
    stripe_api: str,
    access_log: Path | None,
    access_log_anonymise: bool,
    access_log_retention: int | None,
    log_level: str,
) -> None:
    """Serve the report centre until SIGTERM or Ctrl-C."""
    log.configure(log_level)
    _check_tls(tls_cert, tls_key)
    _check_registration(registration, smtp or oidc_issuer)
    settings = Settings(
        database=database,
        secret=_secret(secret_file),
        host=host,
        port=port,
        allowed_hosts=allowed_hosts,
        trusted_proxy=_trusted_proxy(trusted_proxy),
        tls_cert=tls_cert,
        tls_key=tls_key,
        public_url=_public_url(public_url, needed=bool(smtp or oidc_issuer or stripe_key_file)),
        registration=registration,
        identity_provider=_identity_provider(oidc_issuer, oidc_client_id, oidc_client_secret_file),
        mail_server=_mail_server(smtp, smtp_password_file, mail_from),
        payments=payments.configured(
            _held_by(stripe_key_file, "The secret key of Stripe"),
            _held_by(stripe_webhook_secret_file, "The secret of Stripe's events"),
            stripe_api,
        ),
        access_log=_access_log(access_log, access_log_anonymise, access_log_retention),
    )
    _serve(settings)


def _serve(settings: Settings) -> None:
    db.require(settings.database)
    # Takes most of the start: who is helped, or told what is wrong, need not wait for it.
    from dashboard import server

    with server.listen(settings.host, settings.port) as listening:
        address = _address(listening, "https" if settings.tls_cert else "http")
        structlog.get_logger().info("report_centre_started", address=address)
        click.echo(f"Report centre: {address}")
        server.run(settings, listening)


def _secret(path: Path) -> bytes:
    try:
        return read_secret(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DashboardError(
            f"The secret file {path} cannot be used: {reason}. Name another with --secret-file."
        ) from error


def _trusted_proxy(given: str) -> str:
    """Return addresses and networks as they are; what is neither would be trusted as a name."""
    for each in given.split(","):
        try:
            ip_network(each.strip())
        except ValueError as error:
            raise DashboardError(
                f"--trusted-proxy names {each.strip()!r}, which is no address or network: write "
                "addresses separated by commas, such as 127.0.0.1,10.0.0.0/8."
            ) from error
    return given


def _check_registration(registration: str, way_in: str) -> None:
    """Where anybody may register, somebody has to say that they are who they say they are."""
    if registration == "open" and not way_in:
        raise DashboardError(
            "--registration open needs a mail server, which sends a link to whoever registers, or "
            "an identity provider: name one with --smtp or --oidc-issuer."
        )


def _public_url(given: str, *, needed: bool) -> str:
    if not given and needed:
        raise DashboardError(
            "Mail, an identity provider and payments need links: name this report centre's "
            "address, --public-url."
        )
    try:
        return given and read_public_url(given)
    except ValueError as error:
        raise DashboardError(str(error)) from error


def _mail_server(url: str, password_file: Path | None, sender: str) -> mail.MailServer | None:
    if not url:
        return None
    password = _held_by(password_file, "The password of the mail server")
    return mail.parse(url, password, sender)


def _identity_provider(
    issuer: str, client_id: str, secret_file: Path | None
) -> IdentityProvider | None:
    if not issuer:
        if client_id or secret_file:
            raise DashboardError("Name the provider that knows this report centre: --oidc-issuer.")
        return None
    from dashboard import identity_provider

    secret = _held_by(secret_file, "The secret of the identity provider")
    return identity_provider.configured(issuer, client_id, secret)


def _held_by(path: Path | None, what: str) -> str:
    """The secret that a file holds; empty: no file is named."""
    if path is None:
        return ""
    try:
        secret = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise DashboardError(f"{what} cannot be read from {path}: {reason}.") from error
    if not secret:
        raise DashboardError(f"{what} cannot be read from {path}: the file is empty.")
    return secret


def _access_log(path: Path | None, anonymise: bool, keep_days: int | None) -> AccessLog | None:
    if path is None:
        if anonymise or keep_days is not None:
            raise DashboardError(
                "--access-log-anonymise and --access-log-retention are about a log that is not "
                "written: name its file with --access-log."
            )
        return None
    log = AccessLog(path, anonymise=anonymise, keep_days=keep_days)
    log.open(datetime.now(UTC))
    return log


def _check_tls(cert: Path | None, key: Path | None) -> None:
    if (cert is None) != (key is None):
        raise DashboardError("--tls-cert and --tls-key belong together: name both or neither.")
    if cert is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
        except (ssl.SSLError, OSError) as error:
            raise DashboardError(
                f"The certificate {cert} and the key {key} cannot be used together: {error}. Give "
                "a certificate and its own key without a password, both PEM."
            ) from error


def _address(listening: socket.socket, scheme: str) -> str:
    host, port = listening.getsockname()[:2]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"
