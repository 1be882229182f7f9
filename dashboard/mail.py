"""Hands mail in: at once and in the background what a page asks for, the links of accounts.

A page never waits for it: how long an answer takes must not tell whether a mail was sent. What is
queued in the database is `outbox`'s.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import formatdate, make_msgid, parseaddr
from typing import Any
from urllib.parse import unquote, urlsplit

import aiosmtplib
import structlog

from dashboard.errors import DashboardError
from dashboard.rendering import ENVIRONMENT

LOG = structlog.get_logger()
TRIES = 4
PAUSE_S = 5.0
PATIENCE_S = 20.0
LAST_WORDS_S = 3.0
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class WholeLinks(EmailPolicy):
    """Leaves a link in a header whole: folding would encode it, which no mail program reads."""

    def fold_binary(self, name: str, value: str) -> bytes:
        """Write a header as it goes over the wire."""
        if name.lower() == "list-unsubscribe":
            return f"{name}: {value}\r\n".encode()
        return super().fold_binary(name, value)


WHOLE_LINKS = WholeLinks(linesep="\r\n")


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in. ``user`` empty: without signing in."""

    host: str
    port: int
    is_tls: bool
    user: str
    password: str = field(repr=False)
    sender: str

    @property
    def must_encrypt(self) -> bool:
        """A password goes over no line that others may read."""
        return bool(self.user) and self.host not in LOOPBACK

    @property
    def domain(self) -> str:
        """Whose names of mails are ours."""
        return self.sender.rpartition("@")[2].strip("> ")

    def message(self, to: str, subject: str, text: str, identity: str) -> EmailMessage:
        """A mail with the headers that all of ours have. ``identity``: its Message-ID."""
        message = EmailMessage()
        message["From"] = self.sender
        message["To"] = to
        message["Subject"] = " ".join(subject.split())
        message["Date"] = formatdate(usegmt=True)
        message["Message-ID"] = identity
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        return message

    async def hand_in(self, message: EmailMessage) -> None:
        """Hand a mail in. Raises: aiosmtplib.SMTPException, OSError."""
        await aiosmtplib.send(
            message.as_bytes(policy=WHOLE_LINKS),
            sender=parseaddr(self.sender)[1],
            recipients=[str(message["To"])],
            hostname=self.host,
            port=self.port,
            use_tls=self.is_tls,
            start_tls=True if self.must_encrypt and not self.is_tls else None,
            username=self.user or None,
            password=self.password if self.user else None,
            timeout=PATIENCE_S,
        )


def parse(url: str, password: str, sender: str) -> MailServer:
    """Read ``smtp://[user@]host[:port]`` (STARTTLS where offered) or ``smtps://…``.

    Raises: DashboardError.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise DashboardError(
            f"“{url}” is no mail server. Write --smtp smtp://user@host:587 or smtps://user@host."
        )
    if parts.password is not None:
        raise DashboardError(
            "A password in --smtp would be seen by others. Put it into a file and name that with "
            "--smtp-password-file."
        )
    if not sender:
        raise DashboardError("Say whom mail comes from: --mail-from reports@example.com.")
    is_tls = parts.scheme == "smtps"
    user = unquote(parts.username or "")
    return MailServer(
        parts.hostname, port or (465 if is_tls else 587), is_tls, user, password, sender
    )


class Mailer:
    """Hands mail in, in the background, a few times where the server is away."""

    def __init__(self, server: MailServer | None, pause_s: float = PAUSE_S) -> None:
        self._server = server
        self._pause_s = pause_s
        self._sending: set[asyncio.Task[None]] = set()

    @property
    def is_there(self) -> bool:
        """Is there a server to hand mail in to?"""
        return self._server is not None

    def send(self, to: str, name: str, /, **values: Any) -> None:
        """Send template ``mail/{name}.txt``, whose first line is the subject."""
        if self._server is None:
            return
        text = ENVIRONMENT.get_template(f"mail/{name}.txt").render(values)
        subject, _, body = text.partition("\n")
        identity = make_msgid(domain=self._server.domain)
        message = self._server.message(to, subject, body.lstrip(), identity)
        task = asyncio.create_task(self._send(self._server, message, name))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send(self, server: MailServer, message: EmailMessage, name: str) -> None:
        for number in range(1, TRIES + 1):
            try:
                await server.hand_in(message)
            except (aiosmtplib.SMTPException, OSError) as error:
                # The server's words may hold the address, which no log shall.
                LOG.warning("mail_failed", kind=name, tried=number, reason=type(error).__name__)
                if number < TRIES and not isinstance(error, aiosmtplib.SMTPRecipientsRefused):
                    await asyncio.sleep(self._pause_s * 4 ** (number - 1))
                    continue
                return
            LOG.info("mail_sent", kind=name)
            return

    async def close(self) -> None:
        """Give what is under way a moment."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=LAST_WORDS_S)
        for task in self._sending:
            task.cancel()
