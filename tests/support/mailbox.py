"""A real mail server on loopback that keeps what it is handed."""

from __future__ import annotations

import asyncio
import email.policy
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.parser import BytesParser

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.processes import free_port, wait_until

USER, PASSWORD = "reports", "mail secret"


class Mailbox:
    """What came in, newest last. ``refusing``: how many of the next mails are turned away.

    ``answer_s``: how long it takes to answer.
    """

    def __init__(self, answer_s: float = 0) -> None:
        self.answer_s = answer_s
        self.mails: list[EmailMessage] = []
        self.contents: list[bytes] = []
        self.refusing = 0
        self.port = 0

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:
        if self.refusing:
            self.refusing -= 1
            return "451 Try again later"
        parser = BytesParser(policy=email.policy.default)
        content = envelope.content
        assert isinstance(content, bytes)
        self.contents.append(content)
        mail = parser.parsebytes(content)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        await asyncio.sleep(self.answer_s)
        return "250 OK"

    def to(self, address: str) -> list[EmailMessage]:
        return [mail for mail in self.mails if mail["To"] == address]

    def wait_for(self, address: str, number: int = 1) -> EmailMessage:
        """The newest mail to an address, once there are so many."""
        wait_until(lambda: len(self.to(address)) >= number, what=f"mail {number} to {address}")
        return self.to(address)[-1]

    def link(self, address: str, number: int = 1) -> str:
        """The path that the newest mail to an address leads to."""
        found = re.search(r"https?://[^/\s]+(/\S+)", self.wait_for(address, number).get_content())
        assert found
        return found[1]


@contextmanager
def mailbox(*, tls: ssl.SSLContext | None = None, answer_s: float = 0) -> Iterator[Mailbox]:
    """A mail server; with ``tls`` it offers STARTTLS and then wants USER and PASSWORD."""
    box = Mailbox(answer_s)

    def authenticate(*arguments: object) -> AuthResult:
        given = arguments[-1]
        assert isinstance(given, LoginPassword)
        return AuthResult(
            success=(given.login, given.password) == (USER.encode(), PASSWORD.encode())
        )

    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=tls,
        require_starttls=tls is not None,
        auth_required=tls is not None,
        authenticator=authenticate if tls else None,
    )
    controller.start()
    try:
        box.port = controller.port
        yield box
    finally:
        controller.stop()
