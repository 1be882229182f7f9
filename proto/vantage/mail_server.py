"""Where mail is handed in: read once for the report centre and for whoever tells of incidents."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Any, Self
from urllib.parse import unquote, urlsplit

PATIENCE_S = 20.0
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class MailServer:
    """``user`` empty: without signing in. ``sender``: whom mail comes from."""

    host: str
    port: int
    is_tls: bool
    user: str
    password: str = field(repr=False)
    sender: str

    @property
    def domain(self) -> str:
        """Whose names of mails are ours."""
        return self.sender.rpartition("@")[2].strip("> ")

    @property
    def connection(self) -> dict[str, Any]:
        """How ``aiosmtplib.send`` reaches it."""
        # A password goes over no line that others may read.
        must_encrypt = bool(self.user) and self.host not in LOOPBACK and not self.is_tls
        return {
            "hostname": self.host,
            "port": self.port,
            "use_tls": self.is_tls,
            "start_tls": True if must_encrypt else None,
            "username": self.user or None,
            "password": self.password if self.user else None,
            "timeout": PATIENCE_S,
        }

    @classmethod
    def read(cls, url: str, password: str, sender: str) -> Self:
        """Read ``smtp://[user@]host[:port]`` (STARTTLS where offered) or ``smtps://…``.

        Raises: ValueError, saying what is wrong.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError(
                f"{url!r} is no mail server. Write --smtp smtp://user@host:587 or "
                "smtps://user@host."
            )
        if parts.password is not None:
            raise ValueError(
                "A password in --smtp would be seen by others. Put it into a file and name that "
                "with --smtp-password-file."
            )
        if not sender:
            raise ValueError("Say whom mail comes from: --mail-from vantage@example.com.")
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", parseaddr(sender)[1]):
            raise ValueError(
                f"{sender!r} is no address that mail can come from. Write --mail-from "
                "vantage@example.com or 'Vantage <vantage@example.com>'."
            )
        is_tls = parts.scheme == "smtps"
        user = unquote(parts.username or "")
        return cls(parts.hostname, port or (465 if is_tls else 587), is_tls, user, password, sender)
