"""Hands mail in to a mail server."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate

import aiosmtplib

from collector.errors import TransientError, as_own
from vantage import mail_server


@dataclass(frozen=True, slots=True)
class Mail:
    """What is written to one person. ``identity``: the same for the same mail at every try."""

    to: str
    identity: str
    subject: str
    text: str
    html: str | None = None


@dataclass(frozen=True, slots=True)
class MailServer(mail_server.MailServer):
    """Where mail is handed in."""

    async def send(self, mail: Mail) -> None:
        """Hand a mail in. Raises: TransientError, without the server's own words."""
        message = self.message(mail)
        try:
            await aiosmtplib.send(message, **self.connection)
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
        message["Message-ID"] = f"<{mail.identity}@{self.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        if mail.html is not None:
            message.add_alternative(mail.html, subtype="html")
        return message


def parse(url: str, password: str, sender: str) -> MailServer:
    """Read what was given for --smtp. Raises: CollectorError."""
    with as_own():
        return MailServer.read(url, password, sender)
