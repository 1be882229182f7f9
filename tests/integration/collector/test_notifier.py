"""Telling for real: processes that send to a mail server and to webhooks, and die in between."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psycopg
import pytest
from click.testing import CliRunner, Result

from collector.operator.main import main
from tests.support.collector import configure, fetch
from tests.support.database import Database, Databases
from tests.support.mailbox import Mailbox, mailbox
from tests.support.processes import Program, free_port, running, wait_until
from tests.support.webhooks import Receiver, receiver

TO = "ann@acme.example"


class Place:
    """A database with two monitors, and who sends what it decides."""

    def __init__(self, database: Database, home: Path, box: Mailbox, received: Receiver) -> None:
        self.url = database.url(role="vantage_collector")
        self.home = home
        self.box = box
        self.received = received

    def notifier(self, name: str = "notifier", *options: str) -> AbstractContextManager[Program]:
        arguments = [
            "notify",
            f"--database={self.url}",
            f"--secret-key-file={self.home / 'secret.key'}",
            f"--smtp=smtp://127.0.0.1:{self.box.port}",
            "--mail-from=Vantage <vantage@v.example>",
            "--public-url=https://v.example/",
            *options,
        ]
        program = Program("collector", arguments, self.home / f"{name}.log")
        before = program.said().count("notifier_started")
        return running(
            program,
            ready=lambda: program.said().count("notifier_started") > before,
            what="the notifier",
        )

    def vantage(self, *arguments: str, typed: str | None = None) -> Result:
        options = [f"--database={self.url}", f"--home={self.home}"]
        done = CliRunner().invoke(main, ["channel", *arguments, *options], input=typed)
        assert "Traceback" not in done.output
        return done

    def add(self, address: str, *options: str) -> tuple[int, str]:
        """Add a channel; return its id, and the secret that a webhook signs with."""
        added = self.vantage("add", "--address-file=-", *options, typed=address)
        assert added.exit_code == 0, added.output
        found = re.search(r"Channel (\d+)", added.output)
        secret = re.search(r"whsec_[\w-]+", added.output)
        assert found
        return int(found[1]), secret[0] if secret else ""

    def execute(self, statement: str, *values: object) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode(), values)

    def open_incident(self, monitor: int = 1) -> int:
        with psycopg.connect(self.url) as connection:
            row = connection.execute(
                "INSERT INTO vantage.incidents (account_id, monitor_id, severity, began_at,"
                " opened_at, cause, summary) SELECT account_id, id, 'down', now(), now(),"
                " 'connect_refused', 'Connection refused from A.' FROM vantage.monitors"
                " WHERE id = %s RETURNING id",
                [monitor],
            ).fetchone()
            assert row
            connection.execute(
                "INSERT INTO vantage.incident_events (incident_id, kind) VALUES (%s, 'opened')", row
            )
        return int(row[0])

    def close_incidents(self) -> None:
        self.execute("UPDATE vantage.incidents SET recovered_at = now(), closed_at = now()")
        self.execute("NOTIFY vantage_incidents")

    def waiting(self) -> list[dict[str, Any]]:
        return fetch(
            self.url, "SELECT * FROM vantage.notifications WHERE sent_at IS NULL ORDER BY id"
        )

    def has_tried(self, times: int) -> bool:
        return bool(self.waiting()[0]["attempts"] == times)

    def wait_until_sent(self, number: int) -> None:
        """Wait until so many notifications were decided, and all are sent."""
        decided = "SELECT FROM vantage.notifications"
        wait_until(
            lambda: len(fetch(self.url, decided)) == number and not self.waiting(),
            what=f"{number} notifications",
        )

    def is_held(self) -> bool:
        return bool(
            fetch(self.url, "SELECT FROM vantage.channels WHERE leased_until > clock_timestamp()")
        )

    def let_leases_end(self) -> None:
        self.execute("UPDATE vantage.channels SET leased_until = now()")


@pytest.fixture(scope="module")
def shared(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home = tmp_path_factory.mktemp("notifier")
    with databases.migrated() as database, mailbox() as box, receiver() as received:
        configure(database.url(), monitors=2)
        yield Place(database, home, box, received)


@pytest.fixture
def place(shared: Place) -> Iterator[Place]:
    yield shared
    shared.execute("DELETE FROM vantage.channels")
    shared.execute("DELETE FROM vantage.incidents")
    shared.received.deliveries.clear()
    shared.received.statuses.clear()
    shared.received.released.set()
    shared.box.mails.clear()


LOOPBACK = "--allow-network=127.0.0.0/8"


def test_an_incident_is_told_by_mail_and_to_programs_and_so_is_its_end(place: Place) -> None:
    place.add(TO, "--spacing=0s", "--time-zone=Europe/Berlin")
    _, secret = place.add(f"{place.received.address}/hook?key=hush")
    with place.notifier("one", LOOPBACK) as program:
        began = time.monotonic()
        incident = place.open_incident()
        mail = place.box.wait_for(TO)
        took_s = time.monotonic() - began
        assert mail["Subject"] == "Down: 127.0.0.1:1/0"
        assert mail["From"] == "Vantage <vantage@v.example>"
        text, html = mail.iter_parts()
        assert "Connection refused from A." in text.get_content()
        assert f"https://v.example/incidents/{incident}" in text.get_content()
        assert "<h1" in html.get_content()
        came = place.received.wait_for("/hook?key=hush")
        place.close_incidents()
        assert place.box.wait_for(TO, 2)["Subject"] == "Up again: 127.0.0.1:1/0"
        place.received.wait_for("/hook?key=hush", 2)
        wait_until(lambda: not place.waiting(), what="all to be sent")
        assert "hush" not in program.said()
    assert took_s < 15
    told = json.loads(came.body)
    assert (told["kind"], told["facts"]["incident_id"]) == ("opened", incident)
    # As docs/notifications.md tells receivers to verify it.
    at, signature = re.fullmatch(
        r"t=(\d+),v1=([0-9a-f]{64})", came.headers["vantage-signature"]
    ).groups()  # type: ignore[union-attr]
    expected = hmac.new(secret.encode(), f"{at}.".encode() + came.body, hashlib.sha256)
    assert hmac.compare_digest(signature, expected.hexdigest())
    assert abs(time.time() - int(at)) < 300
    # What the database holds of it, nobody can read.
    [row] = fetch(place.url, "SELECT hint, sealed FROM vantage.channels WHERE kind = 'webhook'")
    assert row["hint"] == "http://127.0.0.1"
    assert b"hush" not in bytes(row["sealed"])


def test_a_channel_is_told_in_its_own_words(place: Place) -> None:
    number, _ = place.add(TO, "--spacing=0s")
    words = place.home / "words.txt"
    words.write_text("{summary}\nRunbook: https://wiki.example/{cause}\n")
    for arguments, sentence in (
        (("word", "99", "--subject={monitor}"), "There is no channel 99."),
        (("word", str(number), "--subject={colour}"), "There is no field {colour}."),
        (("word", str(number), f"--subject={'x' * 201}"), "up to 200 characters"),
    ):
        refused = place.vantage(*arguments)
        assert (refused.exit_code, sentence in refused.output) == (1, True), refused.output
    set_ = place.vantage(
        "word", str(number), "--subject=[{monitor}] {state}", f"--text-file={words}"
    )
    assert set_.exit_code == 0, set_.output
    with place.notifier("worded"):
        tried = place.vantage("test", str(number))
        assert tried.exit_code == 0, tried.output
        sample = place.box.wait_for(TO)
        place.open_incident()
        mail = place.box.wait_for(TO, 2)
        assert place.vantage("word", str(number)).exit_code == 0
        place.close_incidents()
        assert place.box.wait_for(TO, 3)["Subject"] == "Up again: 127.0.0.1:1/0"
    assert sample["Subject"] == "Test: [Shop] Down"
    assert "Runbook: https://wiki.example/connect_timeout" in as_text(sample)
    assert mail["Subject"] == "[127.0.0.1:1/0] Down"
    text = as_text(mail)
    assert "Connection refused from A. Since " in text
    assert " UTC.\nRunbook: https://wiki.example/connect_refused\n" in text


def as_text(mail: EmailMessage) -> str:
    text, _ = mail.iter_parts()
    return str(text.get_content()).replace("\r\n", "\n")


def test_what_failed_is_tried_again_as_the_same(place: Place) -> None:
    place.add(f"{place.received.address}/flaky")
    place.received.statuses += [500, 302]
    port = free_port()
    with place.notifier("one", LOOPBACK, f"--metrics-listen=:{port}"):
        place.open_incident()
        for number in (1, 2):
            place.received.wait_for("/flaky", number)
            wait_until(partial(place.has_tried, number), what="the try")
            assert "answered with status" in place.waiting()[0]["last_error"]
            place.execute("UPDATE vantage.notifications SET due_at = now()")
        place.received.wait_for("/flaky", 3)
        wait_until(lambda: not place.waiting(), what="success")
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            counted = answer.read().decode().splitlines()
    assert {
        "vantage_collector_notifications_decided_total 1.0",
        'vantage_collector_messages_total{kind="webhook",outcome="failed"} 2.0',
        'vantage_collector_messages_total{kind="webhook",outcome="sent"} 1.0',
        "vantage_collector_messages_retried_total 2.0",
    } <= set(counted)
    assert len(set(place.received.keys("/flaky"))) == 1
    [channel] = fetch(place.url, "SELECT failing_since_at, last_error FROM vantage.channels")
    assert set(channel.values()) == {None}


def test_a_sender_killed_before_it_sent_loses_nothing(place: Place) -> None:
    place.add(TO, "--spacing=0s")
    place.open_incident()
    fetch(place.url, "SELECT vantage.decide_notifications(false)")
    # Claimed, and then its process was gone.
    assert len(fetch(place.url, "SELECT * FROM vantage.claim_notifications(120)")) == 1
    with place.notifier():
        place.let_leases_end()
        place.box.wait_for(TO)
        wait_until(lambda: not place.waiting(), what="all to be sent")
    assert len(place.box.to(TO)) == 1


def test_what_was_over_while_no_notifier_ran_is_told_when_one_is_back(place: Place) -> None:
    place.add(TO, "--spacing=0s")
    place.add(f"{place.received.address}/late")
    incident = place.open_incident()
    place.close_incidents()
    with place.notifier("one", LOOPBACK):
        mail = place.box.wait_for(TO)
        facts = json.loads(place.received.wait_for("/late").body)
        wait_until(lambda: not place.waiting(), what="all to be sent")
    assert mail["Subject"] == "Was down: 127.0.0.1:1/0"
    assert "no notifier was running" in as_text(mail)
    told = facts["kind"], facts["facts"]["incident_id"], facts["facts"]["is_first"]
    assert told == ("closed", incident, True)
    assert (len(place.box.mails), len(place.received.deliveries)) == (1, 1)


def test_what_a_killed_sender_had_sent_is_sent_again_as_the_same(place: Place) -> None:
    place.add(f"{place.received.address}/once")
    place.received.holding.clear()
    place.received.released.clear()
    with place.notifier("one", LOOPBACK) as program:
        place.open_incident()
        assert place.received.holding.wait(60)
        program.kill()
    place.received.released.set()
    place.let_leases_end()
    with place.notifier("two", LOOPBACK):
        place.received.wait_for("/once", 2)
        wait_until(lambda: not place.waiting(), what="all to be sent")
    assert len(place.received.keys("/once")) == 2
    assert len(set(place.received.keys("/once"))) == 1


def test_a_sender_that_is_stopped_finishes_what_it_sends(place: Place) -> None:
    place.add(f"{place.received.address}/polite")
    place.received.holding.clear()
    place.received.released.clear()
    with place.notifier("one", LOOPBACK) as program:
        place.open_incident()
        assert place.received.holding.wait(60)
        assert program.process
        program.process.terminate()
        # It is slow, not dead: so it says, and nobody else takes over.
        place.let_leases_end()
        wait_until(place.is_held, what="its word that it lives")
        place.received.released.set()
        program.process.wait(30)
        assert program.process.returncode == 0
    assert place.waiting() == []


def test_several_senders_send_everything_once(place: Place) -> None:
    for number in range(6):
        place.add(f"{place.received.address}/many/{number}", f"--name=many {number}")
    with place.notifier("one", LOOPBACK), place.notifier("two", LOOPBACK):
        for turn in range(4):
            place.open_incident(1)
            place.open_incident(2)
            place.wait_until_sent(24 * turn + 12)
            place.close_incidents()
            place.wait_until_sent(24 * turn + 24)
    keys = Counter(each.headers["idempotency-key"] for each in place.received.deliveries)
    assert set(keys.values()) == {1}
    assert len(keys) == 6 * 4 * 4


def test_addresses_that_are_not_public_are_refused(place: Place) -> None:
    channel, _ = place.add(f"{place.received.address}/metadata")
    service, _ = place.add(f"json://127.0.0.1:{place.received.port}/inner", "--name=inner")
    with place.notifier():
        refused = place.vantage("test", str(channel))
        assert refused.exit_code == 1
        assert "127.0.0.1 is not a public address" in " ".join(refused.output.split())
        assert place.vantage("test", str(service)).exit_code == 1
    assert place.received.deliveries == []


def test_a_service_is_told_through_apprise(place: Place) -> None:
    channel, _ = place.add(f"json://127.0.0.1:{place.received.port}/service")
    with place.notifier("one", LOOPBACK):
        sent = place.vantage("test", str(channel))
        assert sent.output == "Sent. See whether it arrived.\n"
    told = json.loads(place.received.wait_for("/service").body)
    assert told["title"] == "Test of this channel"
    assert "what Vantage tells arrives here" in told["message"]


def test_channels_are_listed_without_what_is_secret_and_removed(place: Place) -> None:
    channel, _ = place.add("https://hooks.example/T0/hush", "--name=On call", "--after=15m")
    listed = json.loads(place.vantage("list", "--json").output)
    assert [(each["name"], each["address"], each["delay_s"]) for each in listed] == [
        ("On call", "https://hooks.example", 900)
    ]
    assert "hush" not in place.vantage("list", "--json").output
    assert place.vantage("remove", str(channel)).output == "On call is told no more.\n"
    assert place.vantage("remove", str(channel)).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ann at acme"], "no address"),
        (["slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/"], "--address-file"),
        ([TO, "--quiet=late"], "22:00-07:00"),
        ([TO, "--time-zone=Mars"], "no time zone"),
        ([TO, "--remind=5s"], "--remind 5m to"),
        ([TO, "--operators", "--monitor=1"], "no --monitor"),
        ([TO, "--monitor=99"], "There is no monitor 99."),
        ([], "--address-file"),
    ],
)
def test_what_cannot_be_is_told(place: Place, arguments: list[str], sentence: str) -> None:
    refused = place.vantage("add", *arguments)
    assert refused.exit_code != 0
    assert sentence in " ".join(refused.output.split())
    assert json.loads(place.vantage("list", "--json").output) == []


def test_without_a_mail_server_it_says_so(place: Place) -> None:
    channel, _ = place.add(TO)
    with place.notifier("one", "--smtp="):
        assert "needs --smtp" in place.vantage("test", str(channel)).output


def test_keys_are_rotated_with_the_channels(place: Place) -> None:
    channel, _ = place.add(TO)
    options = [f"--database={place.url}", f"--home={place.home}"]
    for command in ("new-key", "rotate", "prune"):
        done = CliRunner().invoke(main, ["secrets", command, *options])
        assert done.exit_code == 0, done.output
    assert "Taken out" in done.output
    with place.notifier():
        assert place.vantage("test", str(channel)).exit_code == 0
