"""Hands mail in: at once and in the background what a page asks for, the links of accounts.

A page never waits for it: how long an answer takes must not tell whether a mail was sent. What is
queued in the database is `outbox`'s.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import formatdate, make_msgid, parseaddr
from typing import Any

import aiosmtplib
import structlog

from dashboard.errors import DashboardError
from dashboard.rendering import ENVIRONMENT
from vantage import mail_server

LOG = structlog.get_logger()
TRIES = 4
PAUSE_S = 5.0
LAST_WORDS_S = 3.0


class WholeLinks(EmailPolicy):
    """Leaves a link in a header whole: folding would encode it, which no mail program reads."""

    def fold_binary(self, name: str, value: str) -> bytes:
        """Write a header as it goes over the wire."""
        if name.lower() == "list-unsubscribe":
            return f"{name}: {value}\r\n".encode()
        return super().fold_binary(name, value)


WHOLE_LINKS = WholeLinks(linesep="\r\n")


@dataclass(frozen=True, slots=True)
class MailServer(mail_server.MailServer):
    """Where mail is handed in."""

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
            **self.connection,
        )


def parse(url: str, password: str, sender: str) -> MailServer:
    """Read what was given for --smtp. Raises: DashboardError."""
    try:
        return MailServer.read(url, password, sender)
    except ValueError as error:
        raise DashboardError(str(error)) from error


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
