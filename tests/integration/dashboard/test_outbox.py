"""Queued mail, handed in to a real server, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from email.message import EmailMessage

import psycopg
import pytest
from click.testing import CliRunner

from collector.operator.main import main
from dashboard import outbox
from dashboard.db import Database as Store
from dashboard.mail import MailServer, parse
from dashboard.outbox import Outbox
from dashboard.settings import Settings
from tests.support.collector import configure
from tests.support.database import Database, Databases
from tests.support.mailbox import Mailbox, mailbox

OWNER = "customer@example.com"


def counted() -> dict[str, float]:
    """How many mails this process has handed in, and could not."""
    [family] = outbox.MAILS.collect()
    return {
        sample.labels["outcome"]: sample.value
        for sample in family.samples
        if sample.name.endswith("_total")
    }


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

    def mail(self, *arguments: str, text: str = "") -> str:
        """What ``vantage mail`` prints."""
        options = [f"--database={self.database.url(role='vantage_collector')}"]
        done = CliRunner().invoke(main, ["mail", *arguments, *options], input=text)
        assert "Traceback" not in done.output
        return " ".join(done.output.split())

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
    place.licence("NULL")
    place.execute("DELETE FROM vantage.mails")
    box.refusing = 0
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
    before = counted()
    assert await place.sent() == []
    [(due, error)] = place.execute("SELECT due_at > now(), last_error FROM vantage.mails")
    assert (due, error) == (True, "The mail server refused it with code 451.")
    place.execute("UPDATE vantage.mails SET due_at = now()")
    [mail] = await place.sent()
    [(mail_id,)] = place.execute("SELECT id FROM vantage.mails WHERE last_error IS NULL")
    assert str(mail["Message-ID"]).startswith(f"<mail-{mail_id}.")
    assert counted() == {outcome: number + 1 for outcome, number in before.items()}


async def test_a_bug_holds_up_no_other_mail(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "LOOK_EVERY_S", 0.1)
    place.licence("NULL")
    place.box.mails.clear()
    whole = '{"account": "customer", "plan": "P", "ends_at": null, "grace_ends_at": null}'
    place.execute(
        "INSERT INTO vantage.mails (account_id, user_id, step, kind, content)"
        f" VALUES (1, 1, 'broken', 'renewed', '{{}}'), (1, 1, 'whole', 'renewed', '{whole}')"
    )
    # Neither does one where it is decided what to send.
    place.execute("ALTER FUNCTION report.decide_mails RENAME TO broken")
    running = asyncio.create_task(place.outbox().run())
    try:
        await asyncio.sleep(0.5)
        assert not running.done()
        place.execute("ALTER FUNCTION report.broken RENAME TO decide_mails")
        async with asyncio.timeout(20):
            while not place.box.mails:
                await asyncio.sleep(0.1)
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    stored = place.execute(
        "SELECT due_at > now(), last_error FROM vantage.mails WHERE step = 'broken'"
    )
    assert stored == [(True, "It cannot be written. The report centre's log says why.")]


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


NEWS = "Vantage can do\nmore.\n\nSee https://v.example/news <now>.\n"


async def test_news_of_the_product_go_once_to_who_wants_them(place: Place) -> None:
    product = ("product", "-", "--subject=What is new")
    assert place.mail(*product, text=NEWS).startswith("Queued for 0 people.")
    place.execute("UPDATE vantage.users SET wants_product_mail = true")
    assert place.mail(*product, "--dry-run", text=NEWS) == "It would go to 1 person."
    assert place.mail(*product, "--plan=unlimited", text=NEWS).startswith("Queued for 1 person.")
    [mail] = await place.sent()
    assert mail["Subject"] == "What is new"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    where = mail["List-Unsubscribe"].strip("<>")
    assert where.startswith("https://v.example/unsubscribe?person=1&signature=")
    # Programs that look for it decode nothing.
    assert f"\r\nList-Unsubscribe: <{where}>\r\n".encode() in place.box.contents[-1]
    text, html = (part.get_content().replace("\r", "") for part in mail.iter_parts())
    assert "Vantage can do more.\n\nSee https://v.example/news <now>." in text
    assert where in text
    assert '<a href="https://v.example/news"' in html
    assert "&lt;now&gt;" in html
    assert place.mail(*product, text=NEWS).startswith("Queued for 0 people.")
    # What waits for somebody who refuses meanwhile is not sent.
    assert place.mail(*product, text="Other").startswith("Queued for 1 person.")
    place.execute("SELECT report.unsubscribe(1)")
    assert await place.sent() == []
    assert "What is new" not in place.mail("list")
    assert "product" in place.mail("list")


@pytest.mark.parametrize(
    ("arguments", "text", "sentence"),
    [
        (("--subject=News", "--plan=golden"), "News", "no plan 'golden'. Plans: unlimited."),
        (("--subject=News",), " \n\n", "has to hold a text"),
        (("--subject=a\nBcc: x",), "News", "--subject is one line"),
    ],
)
async def test_what_cannot_be_mailed_is_told(
    place: Place, arguments: tuple[str, ...], text: str, sentence: str
) -> None:
    assert sentence in place.mail("product", "-", *arguments, text=text)


async def test_a_report_is_mailed_with_its_pdf(place: Place) -> None:
    place.licence("NULL")
    place.execute(
        "INSERT INTO vantage.report_schedules (account_id, name, period, day, at, time_zone,"
        " monitor_ids, objective, limit_us, share, created_at)"
        " VALUES (1, 'Board', 'month', 1, '00:00', 'UTC', '{1}', 99.50, 800000, 90, '2026-01-01')"
    )
    place.execute("INSERT INTO vantage.report_recipients VALUES (1, 1)")
    # Whatever day it is, the one of this month is due.
    [(first_day,)] = place.execute("SELECT first_day FROM vantage.due_reports(now())")
    place.execute(
        "SELECT vantage.queue_report(schedules, due.first_day, NULL)"
        " FROM vantage.report_schedules AS schedules, vantage.due_reports(now()) AS due"
    )
    [mail] = await place.sent()
    assert mail["Subject"] == f"Board, {first_day:%B %Y}: customer"
    body, attached = mail.iter_parts()
    text, html = (part.get_content().replace("\r", "") for part in body.iter_parts())
    for content in (text, html):
        assert f"Nothing was judged in {first_day:%B %Y}." in content
    where = f"https://v.example/reports?month={first_day:%Y-%m}&monitor=1&objective=99.50"
    assert where + "&limit=800&share=90" in text
    assert attached.get_filename() == f"report-{first_day:%Y-%m}.pdf"
    assert attached.get_content().startswith(b"%PDF-1.")
    assert await place.sent() == []
