"""What `vantage up` was told, and the addresses of the database that it found or made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from collector.options import read_secret
from collector.telling import mailer

# Where people whom the operator chose type the URLs, the machine's own and its networks' are fair
# targets.
PRIVATE_NETWORKS = (
    "127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mail:
    """The mail server of whoever tells people: the notifier and the report centre."""

    smtp: str
    password_file: Path | None
    sender: str
    public_url: str

    def check(self) -> None:
        """Raises: CollectorError for what neither of them could use."""
        mailer.parse(self.smtp, "", self.sender)
        if self.password_file is not None:
            read_secret(self.password_file)

    def environment(self, prefix: str) -> dict[str, str]:
        """As the program whose variables have this prefix reads it."""
        return {
            f"{prefix}_SMTP": self.smtp,
            f"{prefix}_SMTP_PASSWORD_FILE": str(self.password_file or ""),
            f"{prefix}_MAIL_FROM": self.sender,
            f"{prefix}_PUBLIC_URL": self.public_url,
        }


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``vantage up`` was told. ``database``: None for the private one. ``agent_host``: how
    agents on other machines reach this one; None: only this machine's own agents are served.
    ``duration_s``: None for until Ctrl-C. ``mail`` None: nothing is mailed. ``query``: the command
    that opens the database. ``registration``: closed, invite or open. ``allow_networks``: what
    agents and webhooks may reach although it is not public; empty: private networks and the
    machine itself, but nothing where ``registration`` is open, as strangers type the URLs then.
    """

    home: Path
    urls: Sequence[str]
    port: int
    database: str | None
    agent_host: str | None
    duration_s: float | None
    cache: Path
    mirror: str | None
    insecure_mirror: bool
    mail: Mail | None
    query: str
    registration: str
    allow_networks: Sequence[IPv4Network | IPv6Network]

    @property
    def allowed(self) -> list[str]:
        """Options that tell an agent or a notifier what it may reach."""
        usual = () if self.registration == "open" else PRIVATE_NETWORKS
        return [f"--allow-network={network}" for network in self.allow_networks or usual]


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """The database, as each role reaches it."""

    admin: str
    collector: str
    dashboard: str
    reader: str
