"""Tells people: decides what is to be told, and sends it, once each. Any number may run.

A message is somebody's for the time of a lease, inside the database; a sender that dies leaves it
to another one. What was sent is written down after it was sent, so a sender that dies in between
sends it again, recognisable as the same (docs/notifications.md, "Once").
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import signal
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import structlog

from collector import db, metrics, sealing
from collector.errors import CollectorError, TransientError
from collector.keyring import Keyring
from collector.telling import webhook
from collector.telling.destination import Destination, service
from collector.telling.guard import Guard, Network
from collector.telling.mailer import Mail, MailServer
from collector.telling.own_words import OwnWords
from collector.telling.wording import Message, message

log = structlog.get_logger()

LOOK_EVERY_S = 1.0
CERTIFICATES_EVERY_S = 600.0
RETRY_S = 5.0
SENDERS = 8
# Whoever sends says so often that it lives; another takes over from one that has not for a lease.
LEASE_S = 20
HOLD_EVERY_S = 5.0
# A message that takes longer is tried again later.
PATIENCE_S = 60.0

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``vantage-collector notify`` was told.

    ``metrics_listen`` None: metrics are not shown.

    ``mail_server`` None: no mail can be sent. ``public_url``: of the report centre, without a slash
    at the end; empty: no links. ``allow``: networks that are no public ones.
    """

    database: str = field(repr=False)
    secret_key_file: Path
    mail_server: MailServer | None
    public_url: str
    allow: Sequence[Network] = ()
    metrics_listen: str | None = None


class Notifier:
    """``run`` tells until it is told to stop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.keyring = Keyring(settings.secret_key_file)
        self.woken = asyncio.Event()
        self.is_stopping = False

    async def run(self, stopping: asyncio.Event) -> None:
        """Decide and send until told to stop. Raises: CollectorError where no key can be had."""
        await asyncio.to_thread(self.publish)
        Guard(self.settings.allow).install()
        async with asyncio.TaskGroup() as tasks:
            background = [tasks.create_task(self.keep(work)) for work in (self.listen, self.decide)]
            senders = [tasks.create_task(self.keep(self.send)) for _ in range(SENDERS)]
            log.info("notifier_started", mail=self.settings.mail_server is not None)
            if self.settings.mail_server is None:
                log.warning("mail_off", effect="no mail is sent", remedy="--smtp")
            await stopping.wait()
            # What is being sent is finished, or another sender would send it again.
            self.is_stopping = True
            self.woken.set()
            await asyncio.wait(senders, timeout=PATIENCE_S)
            for task in (*background, *senders):
                task.cancel()

    def publish(self) -> None:
        with db.session(self.settings.database) as connection:
            sealing.publish(connection, self.keyring)

    async def keep(self, work: Callable[[db.AsyncConnection], Awaitable[None]]) -> None:
        """Do one kind of work for ever, over as many connections as that takes."""
        while not self.is_stopping:
            try:
                async with await db.connect(self.settings.database) as connection:
                    await work(connection)
            except (TransientError, psycopg.Error) as error:
                log.warning("notifier_interrupted", error=db.first_line(error))
                await asyncio.sleep(RETRY_S)

    async def listen(self, connection: db.AsyncConnection) -> None:
        """Wake the others as soon as something happens."""
        await connection.execute("LISTEN vantage_incidents")
        async for _ in connection.notifies():
            self.woken.set()

    async def pause(self) -> None:
        """Wait a second, or until something happens."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                await self.woken.wait()
        # Those who share the event get to see it first.
        await asyncio.sleep(random.uniform(0.01, 0.05))  # noqa: S311 - no secret
        self.woken.clear()

    async def decide(self, connection: db.AsyncConnection) -> None:
        """Decide what is to be told."""
        looked_at = float("-inf")
        while True:
            is_due = time.monotonic() - looked_at > CERTIFICATES_EVERY_S
            cursor = await connection.execute(
                db.queries("channels")["decide"], {"with_certificates": is_due}
            )
            if is_due:
                looked_at = time.monotonic()
                await connection.execute(db.queries("channels")["forget"])
            row = await cursor.fetchone()
            if row is not None and row["decided"]:
                metrics.NOTIFICATIONS_DECIDED.inc(row["decided"])
                log.info("notifications_decided", notifications=row["decided"])
                self.woken.set()
            await self.pause()

    async def send(self, connection: db.AsyncConnection) -> None:
        """Send what is due, message by message."""
        statements = db.queries("channels")
        while not self.is_stopping:
            cursor = await connection.execute(statements["claim"], {"lease_s": LEASE_S})
            rows = await cursor.fetchall()
            if not rows:
                await self.pause()
                continue
            first = rows[0]
            async with holding(connection, first["lease"]):
                error = await self.tell(rows)
            await connection.execute(
                statements["finish"],
                {"batch": first["batch"], "lease": first["lease"], "error": error},
            )
            cursor = await connection.execute(statements["attempts"], {"batch": first["batch"]})
            tried = await cursor.fetchone()
            outcome = "sent" if error is None else "failed"
            metrics.MESSAGES.labels(first["channel_kind"], outcome).inc()
            # None: the channel was removed meanwhile.
            metrics.MESSAGES_RETRIED.inc(bool(tried and (tried["attempts"] or 0) > 1))
            told = {"channel_id": first["channel_id"], "notifications": len(rows)}
            if error is None:
                log.info("message_sent", kind=first["channel_kind"], **told)
            else:
                log.warning("message_failed", kind=first["channel_kind"], error=error, **told)

    async def tell(self, rows: Sequence[Row]) -> str | None:
        """Send one message; say why it failed, without any secret. None: it was handed over."""
        first = rows[0]
        subject = sealing.channel(first["account_id"])
        try:
            destination = Destination.decode(
                first["channel_kind"],
                sealing.open_(self.keyring, subject, first["key_id"], bytes(first["sealed"])),
            )
            async with asyncio.timeout(PATIENCE_S):
                await self.deliver(destination, rows)
        except CollectorError as error:
            return str(error)
        except TimeoutError:
            return f"It took longer than {PATIENCE_S:g} s."
        except Exception as error:  # a service's library may raise anything, with the URL in it
            return f"The service's library failed: {type(error).__name__}."
        return None

    async def deliver(self, destination: Destination, rows: Sequence[Row]) -> None:
        """Hand a message over. Raises: CollectorError, without any secret."""
        first = rows[0]
        if destination.kind == "webhook":
            facts = {
                "id": first["id"],
                "kind": first["kind"],
                "decided_at": first["created_at"].isoformat(),
                "facts": first["content"],
            }
            await asyncio.to_thread(webhook.post, destination, first["id"], facts)
            return
        written = message(
            rows,
            time_zone=first["time_zone"],
            public_url=self.settings.public_url,
            channel=first["channel"],
            words=OwnWords(first["own_subject"], first["own_text"]),
        )
        if destination.kind == "service":
            await asyncio.to_thread(tell_service, destination.address, written)
            return
        if self.settings.mail_server is None:
            raise TransientError(
                "There is no mail server: vantage-collector notify needs --smtp and --mail-from."
            )
        mail = Mail(
            destination.address, str(first["batch"]), written.subject, written.text, written.html
        )
        await self.settings.mail_server.send(mail)


@contextlib.asynccontextmanager
async def holding(connection: db.AsyncConnection, lease: uuid.UUID) -> AsyncIterator[None]:
    """Keep what a sender has claimed its own while it sends."""
    is_sent = asyncio.Event()

    async def hold() -> None:
        values = {"lease": lease, "lease_s": LEASE_S}
        while not is_sent.is_set():
            try:
                async with asyncio.timeout(HOLD_EVERY_S):
                    await is_sent.wait()
            except TimeoutError:
                await connection.execute(db.queries("channels")["hold"], values)

    task = asyncio.create_task(hold())
    try:
        yield
    finally:
        is_sent.set()
        # A connection that is lost is missed when it is to be written down that this was sent.
        with contextlib.suppress(psycopg.Error):
            await task


def tell_service(address: str, written: Message) -> None:
    """Hand a message over through Apprise. Raises: TransientError."""
    told = service(address)
    if told is None:
        raise TransientError("The service's URL is not understood. Add the channel anew.")
    body = written.text.rpartition("\n--\n")[0].strip()
    if not told.notify(body=body, title=written.subject, body_format="text"):
        raise TransientError("The service did not take it.")


async def serve(settings: Settings) -> None:
    """Tell people until SIGTERM or SIGINT. Raises: CollectorError at the start."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    logging.getLogger("apprise").disabled = True  # it might name what is secret
    end_metrics = metrics.serve(settings.metrics_listen) if settings.metrics_listen else None
    try:
        await Notifier(settings).run(stopping)
    finally:
        if end_metrics:
            end_metrics()
    log.info("notifier_stopped")
