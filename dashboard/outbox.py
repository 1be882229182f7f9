"""Sends what is queued in the database, each mail once. Any number of report centres may run it.

A mail is somebody's for the time of a lease, inside the database; a sender that dies leaves it to
another one. What was sent is written down after it was sent, so a sender that dies in between sends
it again, recognisable by its Message-ID.
"""

from __future__ import annotations

import asyncio
import time
from email.message import EmailMessage
from functools import partial

import aiosmtplib
import structlog
from prometheus_client import Counter

from dashboard import letter, reports
from dashboard.background import keep_doing
from dashboard.db import Database
from dashboard.errors import DatabaseAway
from dashboard.mail import MailServer
from dashboard.reports import Wanted
from dashboard.rows.mail import Due
from dashboard.rows.people import Entered
from dashboard.settings import Settings

LOG = structlog.get_logger()
LOOK_EVERY_S = 5.0
DECIDE_EVERY_S = 60.0
# A mail that takes longer is given up by its sender well before another may take it.
LEASE_S = 120
PATIENCE_S = 60.0
MAILS = Counter(
    "vantage_dashboard_mails",
    "Queued mails that this report centre tried to hand in, by outcome: sent, failed.",
    ["outcome"],
    registry=None,
)
for outcome in ("sent", "failed"):
    MAILS.labels(outcome)


class Outbox:
    """``run`` sends until it is cancelled."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._decided_at = float("-inf")

    async def run(self) -> None:
        """Decide and send for ever; without a mail server there is nothing to do."""
        if server := self._settings.mail_server:
            await keep_doing("outbox", partial(self.send_all, server), LOOK_EVERY_S)
        else:
            LOG.warning(
                "mail_off", effect="no mail about people, licences or reports", remedy="--smtp"
            )

    async def send_all(self, server: MailServer) -> None:
        """Send what is due, deciding before, every minute, what that is."""
        if time.monotonic() - self._decided_at > DECIDE_EVERY_S:
            await self.decide()
            self._decided_at = time.monotonic()
        while await self.send_one(server):
            pass

    async def decide(self) -> None:
        """Queue what is to be sent by now."""
        async with self._database.transaction() as reader:
            await reader.run("decide_mails")

    async def send_one(self, server: MailServer) -> bool:
        """Send one mail, or have it tried again later. False: nothing is due."""
        async with self._database.transaction() as reader:
            due = await reader.one(Due, "claim_mail", lease_s=LEASE_S)
        if due is None:
            return False
        error = None
        try:
            async with asyncio.timeout(PATIENCE_S):
                await server.hand_in(await self._message(server, due))
        except aiosmtplib.SMTPResponseException as refusal:
            error = f"The mail server refused it with code {refusal.code}."
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as failure:
            # The server's words may hold the address, which no log shall.
            error = f"The mail server cannot be used: {type(failure).__name__}."
        except DatabaseAway:
            raise
        except Exception:  # one mail that cannot be written holds up no other
            LOG.exception("mail_not_written", kind=due.kind, mail_id=due.id)
            error = "It cannot be written. The report centre's log says why."
        MAILS.labels("failed" if error else "sent").inc()
        if error is None:
            LOG.info("mail_sent", kind=due.kind, mail_id=due.id)
        else:
            LOG.warning("mail_failed", kind=due.kind, mail_id=due.id, reason=error)
        async with self._database.transaction() as reader:
            await reader.run("finish_mail", id=due.id, lease=due.lease, error=error)
        return True

    async def _message(self, server: MailServer, due: Due) -> EmailMessage:
        if due.kind == "report":
            written = await self._report(due)
        else:
            written = letter.written(due, self._settings)
        # The same at every try, so that who has it already recognises it.
        identity = f"<mail-{due.id}.{due.created_at:%Y%m%d%H%M%S}@{server.domain}>"
        message = server.message(due.email, written.subject, written.text, identity)
        for name, value in written.headers.items():
            message[name] = value
        message.add_alternative(written.html, subtype="html")
        if written.pdf is not None:
            name, content = written.pdf
            message.add_attachment(content, maintype="application", subtype="pdf", filename=name)
        return message

    async def _report(self, due: Due) -> letter.Letter:
        """A report as its recipient may see it."""
        wanted = Wanted.of(due.content)
        async with self._database.transaction() as reader:
            entered = await reader.the(Entered, "enter", user_id=due.user_id)
            made = await wanted.made(reader)
        pdf = await asyncio.to_thread(reports.pdf, entered.account, wanted, made)
        return letter.report(due, self._settings, entered.account, wanted, made, pdf)
