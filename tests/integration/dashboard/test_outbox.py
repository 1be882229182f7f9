"""Queued mail, handed in to a real server, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from email.message import EmailMessage

import psycopg
import pytest

from dashboard.db import Database as Store
from dashboard.mail import MailServer, parse
from dashboard.outbox import Outbox
from dashboard.settings import Settings
from tests.support.collector import configure
from tests.support.database import Database, Databases
from tests.support.mailbox import Mailbox, mailbox

OWNER = "customer@example.com"


class Place:
    def __init__(self, database: Database, store: Store, box: Mailbox) -> None:
        self.database = database
        self.store = store
        self.box = box
        self.server: MailServer = parse(
            f"smtp://127.0.0.1:{box.port}", "", "Vantage <reports@v.example>"
        )

    def outbox(self) -> Outbox:
        return Outbox(
            self.store,
            Settings(
                database="",
                secret=b"s" * 32,
                public_url="https://v.example",
                mail_server=self.server,
            ),
        )

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.database.url(), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def licence(self, ends: str, trial: bool = False) -> None:
        self.execute(f"UPDATE vantage.accounts SET licence_ends_at = {ends}, is_trial = {trial}")

    async def sent(self, to: str = OWNER) -> list[EmailMessage]:
        """What arrives when everything is decided and sent."""
        self.box.mails.clear()
        outbox = self.outbox()
        await outbox.decide()
        while await outbox.send_one(self.server):
            pass
        assert len(self.box.to(to)) == len(self.box.mails)
        return self.box.to(to)


@pytest.fixture(scope="module")
def box() -> Iterator[Mailbox]:
    with mailbox() as started:
        yield started


@pytest.fixture(scope="module")
def migrated(databases: Databases) -> Iterator[Database]:
    with databases.migrated() as database:
        configure(database.url())
        yield database


@pytest.fixture
async def place(migrated: Database, box: Mailbox) -> AsyncIterator[Place]:
    store = Store(migrated.url(role="vantage_dashboard"))
    await store.open()
    place = Place(migrated, store, box)
    place.execute("DELETE FROM vantage.mails")
    yield place
    await store.close()


async def test_a_licence_from_trial_to_renewal(place: Place) -> None:
    steps = [
        ("now() + INTERVAL '6 days'", True, "The trial of customer ends on"),
        ("now() - INTERVAL '1 day'", True, "The licence of customer has ended"),
        ("now() - INTERVAL '20 days'", True, "The monitors of customer are paused"),
        ("now() + INTERVAL '1 year'", False, "The licence of customer is renewed"),
    ]
    for ends, is_trial, subject in steps:
        place.licence(ends, is_trial)
        [mail] = await place.sent()
        assert mail["Subject"].startswith(subject)
        assert mail["From"] == "Vantage <reports@v.example>"
        text, html = mail.iter_parts()
        for part in (text, html):
            content = part.get_content()
            assert "https://v.example/settings/plan" in content
            assert "You get this as an owner of the account customer" in " ".join(content.split())
        # The same state is told once.
        assert await place.sent() == []
    stored = place.execute("SELECT sent_at IS NULL, attempts FROM vantage.mails")
    assert stored == [(False, 1)] * 4


async def test_what_failed_is_tried_again_as_the_same(place: Place) -> None:
    place.licence("now() - INTERVAL '1 day'")
    place.box.refusing = 1
    assert await place.sent() == []
    [(due, error)] = place.execute("SELECT due_at > now(), last_error FROM vantage.mails")
    assert (due, error) == (True, "The mail server refused it with code 451.")
    place.execute("UPDATE vantage.mails SET due_at = now()")
    [mail] = await place.sent()
    [(mail_id,)] = place.execute("SELECT id FROM vantage.mails WHERE last_error IS NULL")
    assert str(mail["Message-ID"]).startswith(f"<mail-{mail_id}.")


async def test_what_a_dead_sender_claimed_is_sent_by_another(place: Place) -> None:
    place.licence("now() - INTERVAL '1 day'")
    await place.outbox().decide()
    place.execute("SELECT report.claim_mail(120)")
    assert await place.sent() == []
    place.execute("UPDATE vantage.mails SET leased_until = now()")
    assert len(await place.sent()) == 1


async def test_several_senders_send_everything_once(place: Place) -> None:
    place.execute(
        "INSERT INTO vantage.mails (account_id, user_id, step, kind, content)"
        " SELECT 1, 1, n::text, 'renewed',"
        """ '{"account": "customer", "plan": "P", "ends_at": null, "grace_ends_at": null}'"""
        " FROM generate_series(1, 40) AS n"
    )
    place.box.mails.clear()

    async def send_all(outbox: Outbox) -> None:
        while await outbox.send_one(place.server):
            pass

    await asyncio.gather(*(send_all(place.outbox()) for _ in range(4)))
    assert len({mail["Message-ID"] for mail in place.box.mails}) == 40
    assert len(place.box.mails) == 40
