"""Hands mail in to a mail server."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate
from urllib.parse import unquote, urlsplit

import aiosmtplib

from collector.errors import CollectorError, TransientError

PATIENCE_S = 20.0
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Mail:
    """What is written to one person. ``identity``: the same for the same mail at every try."""

    to: str
    identity: str
    subject: str
    text: str
    html: str | None = None


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in. ``user`` empty: without signing in."""

    host: str
    port: int
    is_tls: bool
    user: str
    password: str = field(repr=False)
    sender: str

    async def send(self, mail: Mail) -> None:
        """Hand a mail in. Raises: TransientError, without the server's own words."""
        message = self.message(mail)
        # A password goes over no line that others may read.
        must_encrypt = bool(self.user) and self.host not in LOOPBACK and not self.is_tls
        try:
            await aiosmtplib.send(
                message,
                hostname=self.host,
                port=self.port,
                use_tls=self.is_tls,
                start_tls=True if must_encrypt else None,
                username=self.user or None,
                password=self.password if self.user else None,
                timeout=PATIENCE_S,
            )
        except aiosmtplib.SMTPResponseException as error:
            raise TransientError(f"The mail server refused it with code {error.code}.") from error
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = ", ".join(str(each.code) for each in error.recipients)
            raise TransientError(
                f"The mail server refused the address with code {codes}."
            ) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise TransientError(
                f"The mail server {self.host}:{self.port} cannot be used: {type(error).__name__}."
            ) from error

    def message(self, mail: Mail) -> EmailMessage:
        """Write a mail as it is sent."""
        message = EmailMessage()
        message["From"] = self.sender
        message["To"] = mail.to
        message["Subject"] = " ".join(mail.subject.split())
        message["Date"] = formatdate(usegmt=True)
        domain = self.sender.rpartition("@")[2].strip("> ")
        message["Message-ID"] = f"<{mail.identity}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        if mail.html is not None:
            message.add_alternative(mail.html, subtype="html")
        return message


def parse(url: str, password: str, sender: str) -> MailServer:
    """Read ``smtp://[user@]host[:port]`` (STARTTLS where offered) or ``smtps://…``.

    Raises: CollectorError.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise CollectorError(
            f"{url!r} is no mail server. Write --smtp smtp://user@host:587 or smtps://user@host."
        )
    if parts.password is not None:
        raise CollectorError(
            "A password in --smtp would be seen by others. Put it into a file and name that with "
            "--smtp-password-file."
        )
    if not sender:
        raise CollectorError("Say whom mail comes from: --mail-from alerts@example.com.")
    is_tls = parts.scheme == "smtps"
    user = unquote(parts.username or "")
    return MailServer(
        parts.hostname, port or (465 if is_tls else 587), is_tls, user, password, sender
    )
