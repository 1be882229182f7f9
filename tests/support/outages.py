"""Real outages while whoever judges and whoever tells are killed and frozen: what was told.

Everything is real: agents, collectors, notifiers, the database, a mail server, receivers of signed
webhooks. Some monitors after the others break; each outage must be one incident, and each step of
it one message to each channel.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from collector import sealing
from collector.keyring import Keyring
from collector.monitor import Monitor
from collector.operator.account import add_account
from collector.operator.location import add_location
from collector.operator.monitor import add_monitor
from collector.telling.destination import Destination
from tests.support.balancer import running_balancer
from tests.support.collector import Collector, fetch, running_collector
from tests.support.in_thread import serving_in_thread
from tests.support.mailbox import Mailbox, mailbox
from tests.support.processes import Program, has_ended, running, wait_until
from tests.support.webhooks import Receiver, receiver

LOCATIONS = ("a", "b")
MAIL_TO = "ann@acme.example"
# Longest wait for an outage to be known, or to be known to be over.
PATIENCE_S = 240.0
# How long what receives takes for an answer, so that some are killed while they wait for it.
ANSWER_S = 0.15


REACHED = {
    "opened": """
        SELECT count(*) FROM vantage.incidents JOIN vantage.notifications
            ON incident_id = incidents.id AND kind = 'opened'
        WHERE monitor_id = %s HAVING count(*) = 3
    """,
    "closed": "SELECT FROM vantage.incidents WHERE monitor_id = %s AND closed_at IS NOT NULL",
}


class Target(ThreadingHTTPServer):
    """A web site whose pages break when told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.broken: set[str] = set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over agents that are gone."""


class Page(BaseHTTPRequestHandler):
    server: Target

    def do_GET(self) -> None:
        self.send_response(500 if self.path in self.server.broken else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def target() -> Iterator[Target]:
    site = Target()
    with serving_in_thread(site):
        yield site


@dataclass
class Told:
    """What became of a campaign. ``problems``: what must not be; empty: nothing of it was.

    ``again``: messages that came once more, recognisable as the same.
    """

    outages: int = 0
    incidents: int = 0
    steps: int = 0
    requests: int = 0
    mails: int = 0
    again: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)


class Trouble:
    """Kills or freezes a program again and again, and starts it when it was killed.

    ``lives_s``: for how long it is left alone, from when it has said ``started``.
    """

    def __init__(
        self,
        name: str,
        program: Program,
        dice: random.Random,
        lives_s: tuple[float, float],
        started: str,
    ) -> None:
        self.name, self.program, self.dice, self.lives_s = name, program, dice, lives_s
        self.started = started
        self.stopping = threading.Event()
        self.faults: Counter[str] = Counter()
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        while not self.stopping.wait(self.dice.uniform(*self.lives_s)):
            if self.faults and self.dice.random() < 0.25:
                os.kill(self.program.pid, signal.SIGSTOP)
                self.faults[f"{self.name} frozen"] += 1
                self.stopping.wait(self.dice.uniform(0.5, 7))
                os.kill(self.program.pid, signal.SIGCONT)
            else:
                self.program.kill()
                self.faults[f"{self.name} killed"] += 1
                self.stopping.wait(self.dice.uniform(0, 1))
                before = self.program.said().count(self.started)
                self.program.start()
                while self.program.said().count(self.started) == before:
                    if self.stopping.wait(0.1):
                        break

    def end(self) -> Counter[str]:
        self.stopping.set()
        self.thread.join()
        return self.faults


class Campaign:
    """An installation, and what is done to it."""

    def __init__(
        self, owner: str, url: str, home: Path, *, monitors: int, together: int, seed: int
    ) -> None:
        """``owner``, ``url``: of the database, as its owner and as the collectors' role.

        ``together``: so many monitors break at one time.
        """
        self.owner, self.url = owner, url
        self.home = home
        self.monitors = monitors
        self.together = together
        self.dice = random.Random(seed)
        self.told = Told()

    def run(self, progress: Callable[[Told], None] = lambda _: None) -> Told:
        """Break one monitor after the other under faults, and count what was told."""
        began = time.monotonic()
        with ExitStack() as stack:
            site = stack.enter_context(target())
            box = stack.enter_context(mailbox(answer_s=ANSWER_S))
            received = stack.enter_context(receiver())
            received.answer_s = ANSWER_S
            self.configure(site, received)
            collectors = [self.collector(stack, name) for name in ("one", "two")]
            balancer = stack.enter_context(running_balancer([each.port for each in collectors]))
            for location in LOCATIONS:
                self.agent(stack, collectors[0], location, balancer.port)
            notifiers = [self.notifier(stack, f"notifier-{name}", box) for name in ("one", "two")]
            troubles = [
                *(
                    self.trouble("collector", each.program, (2, 14), "collector_started")
                    for each in collectors
                ),
                *(
                    self.trouble("notifier", each, (0.3, 6), "notifier_started")
                    for each in notifiers
                ),
            ]
            try:
                for first in range(1, self.monitors + 1, self.together):
                    self.refuse(box, received)
                    self.outage(site, range(first, min(first + self.together, self.monitors + 1)))
                    self.told.seconds = time.monotonic() - began
                    progress(self.told)
            finally:
                for trouble in troubles:
                    self.told.faults += trouble.end()
            self.drain(stack, notifiers, box)
            self.judge(box, received)
        self.told.seconds = time.monotonic() - began
        return self.told

    # What there is ------------------------------------------------------------------------------

    def configure(self, site: Target, received: Receiver) -> None:
        """Make monitors, a rule that closes soon, a channel for mail and two for webhooks."""
        keyring = Keyring(self.home / "secret.key")
        with psycopg.connect(self.owner, row_factory=dict_row) as connection:
            account = add_account(connection, "customer", "c@example.com", "a-password")
            for location in LOCATIONS:
                add_location(connection, name=location, title=location.upper())
            for number in range(1, self.monitors + 1):
                url = f"http://127.0.0.1:{site.server_address[1]}/{number}"
                add_monitor(connection, account, Monitor(url=url, interval_s=2, timeout_s=2))
            connection.execute("UPDATE vantage.alert_rules SET closes_after_s = 2")
            sealing.publish(connection, keyring)
            for name, address in (
                ("mail", MAIL_TO),
                ("hook-1", f"{received.address}/1"),
                ("hook-2", f"{received.address}/2"),
            ):
                destination = Destination.of(address)
                key_id, sealed = sealing.seal(
                    connection, sealing.channel(account), destination.encode()
                )
                connection.execute(
                    "INSERT INTO vantage.channels (account_id, name, kind, hint, key_id, sealed,"
                    " spacing_s) VALUES (%s, %s, %s, %s, %s, %s, 0)",
                    [account, name, destination.kind, destination.hint, key_id, sealed],
                )

    def collector(self, stack: ExitStack, name: str) -> Collector:
        directory = self.home / name
        directory.mkdir()
        (self.home / "authority").mkdir(exist_ok=True)
        (directory / "authority").symlink_to(self.home / "authority")
        return stack.enter_context(running_collector(self.url, directory))

    def agent(self, stack: ExitStack, collector: Collector, location: str, port: int) -> None:
        home = self.home / f"agent-{location}"
        join = [sys.executable, "-m", "agent", "join", "-", f"--home={home}"]
        token = collector.token(location).encode()
        subprocess.run(join, input=token, check=True, capture_output=True, timeout=60)
        program = Program(
            "agent",
            ["run", f"--home={home}", f"--collector=127.0.0.1:{port}",
             "--allow-network=127.0.0.0/8"],
            self.home / f"agent-{location}.log",
        )  # fmt: skip
        ready = lambda: "monitors_assigned" in program.said()  # noqa: E731
        stack.enter_context(running(program, ready=ready, what=f"the agent at {location}"))

    def notifier(self, stack: ExitStack, name: str, box: Mailbox) -> Program:
        program = Program(
            "collector",
            ["notify", f"--database={self.url}", f"--secret-key-file={self.home / 'secret.key'}",
             f"--smtp=smtp://127.0.0.1:{box.port}", "--mail-from=v@example.com",
             "--allow-network=127.0.0.0/8"],
            self.home / f"{name}.log",
        )  # fmt: skip
        ready = lambda: "notifier_started" in program.said()  # noqa: E731
        return stack.enter_context(running(program, ready=ready, what=name))

    # What is done to it -------------------------------------------------------------------------

    def trouble(
        self, name: str, program: Program, lives_s: tuple[float, float], started: str
    ) -> Trouble:
        trouble = Trouble(name, program, random.Random(self.dice.random()), lives_s, started)
        trouble.thread.start()
        return trouble

    def refuse(self, box: Mailbox, received: Receiver) -> None:
        """Have some of what comes next turned away."""
        if self.dice.random() < 0.5:
            box.refusing = 1
            received.statuses[:] = [503]
            self.told.faults["receivers refused"] += 1

    def outage(self, site: Target, numbers: range) -> None:
        """Break monitors until it is decided that people are told, and mend them until it is over.

        An incident that was over before any notifier looked would rightly be one message, not two.
        """
        for broken, reached in ((numbers, "opened"), ((), "closed")):
            site.broken = {f"/{number}" for number in broken}
            for number in numbers:
                if not self.becomes(reached, number):
                    self.told.problems.append(
                        f"the incident of monitor {number} was never {reached}"
                    )
        self.told.outages += len(numbers)

    def becomes(self, reached: str, number: int) -> bool:
        deadline = time.monotonic() + PATIENCE_S
        while not fetch(self.url, REACHED[reached], [number]):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)
        return True

    def drain(self, stack: ExitStack, notifiers: Sequence[Program], box: Mailbox) -> None:
        """Let whoever is left finish, then take over what the killed had claimed, and send it."""
        for each in notifiers:
            if not has_ended(each):
                each.stop()
        with psycopg.connect(self.owner, autocommit=True) as connection:
            # Nobody is left who could hold one; waiting for leases to end would show the same.
            connection.execute("UPDATE vantage.channels SET leased_until = now()")
            connection.execute("UPDATE vantage.notifications SET due_at = now()")
        self.notifier(stack, "notifier-last", box)
        # Decided and not sent, and incidents whose end is not decided for every channel.
        left = """
            SELECT FROM vantage.notifications WHERE sent_at IS NULL
            UNION ALL
            SELECT FROM vantage.incidents
            CROSS JOIN vantage.channels
            WHERE closed_at IS NOT NULL AND NOT EXISTS (
                SELECT FROM vantage.notifications
                WHERE incident_id = incidents.id AND channel_id = channels.id AND kind = 'closed')
        """
        wait_until(lambda: not fetch(self.url, left), seconds=PATIENCE_S, what="all to be told")

    # What came of it ----------------------------------------------------------------------------

    def judge(self, box: Mailbox, received: Receiver) -> None:
        """Hold what arrived against the outages that were."""
        told = self.told
        incidents = fetch(
            self.url, "SELECT monitor_id, reopened FROM vantage.incidents ORDER BY monitor_id"
        )
        told.incidents = len(incidents)
        if [(row["monitor_id"], row["reopened"]) for row in incidents] != [
            (number, 0) for number in range(1, self.monitors + 1)
        ]:
            told.problems.append(f"incidents are not one for each outage: {incidents}")
        wanted = Counter(
            {(kind, n): 1 for n in range(1, self.monitors + 1) for kind in ("opened", "closed")}
        )
        for path in ("/1", "/2"):
            came = [each for each in received.deliveries if each.path == path]
            once = {each.headers["idempotency-key"]: json.loads(each.body) for each in came}
            steps = Counter((body["kind"], body["facts"]["monitor_id"]) for body in once.values())
            told.requests += len(came)
            told.steps += steps.total()
            if steps != wanted:
                more, missing = steps - wanted, wanted - steps
                told.problems.append(f"webhook {path} was told {more} besides, and not {missing}")
            if any(json.loads(each.body) != once[each.headers["idempotency-key"]] for each in came):
                told.problems.append(f"webhook {path} was told two things under one key")
        batches = fetch(
            self.url,
            "SELECT batch, count(*) AS steps FROM vantage.notifications"
            " JOIN vantage.channels ON channels.id = channel_id WHERE channels.kind = 'mail'"
            " GROUP BY batch",
        )
        identities = Counter(str(mail["Message-ID"]) for mail in box.mails)
        told.mails = len(box.mails)
        told.steps += sum(row["steps"] for row in batches)
        if identities.keys() != {f"<{row['batch']}@example.com>" for row in batches}:
            told.problems.append("mails are not those that were decided")
        if sum(row["steps"] for row in batches) != wanted.total():
            told.problems.append(f"mail told {batches}, not each step once")
        sent = len(batches) + sum(
            len({each.headers["idempotency-key"] for each in received.deliveries if each.path == p})
            for p in ("/1", "/2")
        )
        told.again = told.mails + told.requests - sent
        excuses = told.faults["notifier killed"] + told.faults["receivers refused"]
        if told.again > excuses:
            told.problems.append(f"{told.again} messages came again, for {excuses} reasons")
