"""A committer, the verdicts and a notifier over the private TimescaleDB, in this process.

Agents are simulated down to the encoded results that the committer gets; mails go to a real mail
server on loopback.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import time
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import click
import psycopg
import uvloop
from psycopg.rows import dict_row

from bench.table import conditions, show
from bench.telling.delays import INTERVAL_S, json_option, percentiles
from collector import batch, db, ingest, log, sealing
from collector.assignments import Probed, RunRequest
from collector.keyring import Keyring
from collector.migrate import migrate
from collector.operator.account import add_account
from collector.operator.location import add_location
from collector.telling.destination import Destination
from collector.telling.mailer import MailServer
from collector.telling.notifier import Notifier, Settings
from collector.verdicts.evaluator import Evaluator
from tests.support.database import fetched_server, running, temporary_home
from tests.support.mailbox import Mailbox, mailbox
from vantage.v1 import result_pb2

# How long before the end of a live run the last monitor is broken: every location has seen it then.
LAST_S = 90.0


@dataclass
class Site:
    """One location's agent: its place in the delivery, and how its results are encoded."""

    location: str
    agent_id: UUID
    incarnation: bytes
    seq: int = 0
    waiting: list[bytes] = field(default_factory=list)

    def probe(self, monitor_id: int, slot_at_us: int, *, is_down: bool, is_extra: bool) -> None:
        message = result_pb2.Result(
            monitor_id=monitor_id,
            slot_at_us=slot_at_us,
            started_at_us=slot_at_us + 300,
            outcome=result_pb2.OUTCOME_DOWN if is_down else result_pb2.OUTCOME_UP,
            failure="connect_refused" if is_down else "",
            exchanges=[
                result_pb2.Exchange(
                    url="http://target.example/",
                    phases=result_pb2.Phases(connect_us=1_500)
                    if is_down
                    else result_pb2.Phases(
                        connect_us=200, send_us=0, wait_us=1_000, receive_us=300
                    ),
                    total_us=1_500,
                    http_status=None if is_down else 200,
                    target_ip=bytes([127, 0, 0, 1]),
                    target_port=80,
                )
            ],
            total_us=1_500,
            is_extra=is_extra,
        )
        self.waiting.append(message.SerializeToString())


@dataclass
class Installation:
    """A committer, a judge, a notifier and the agents of every location, in one process."""

    url: str
    monitors: int
    sites: list[Site]
    box: Mailbox
    down_since: dict[int, float] = field(default_factory=dict)
    failed_at: dict[int, float] = field(default_factory=dict)
    known_at: dict[int, float] = field(default_factory=dict)
    mailed_at: dict[int, float] = field(default_factory=dict)
    lag_s: float = 0.0

    async def run(self, seconds: float, outages: int, notifier: Notifier) -> None:
        committer = ingest.Committer(self.url, Probed(self.url))
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(each)
                for each in (
                    committer.run(),
                    Evaluator(self.url).run(),
                    notifier.run(asyncio.Event()),
                    self.answer(),
                    self.watch(),
                    *(self.deliver(committer, site) for site in self.sites),
                )
            ]
            await self.schedule(seconds, outages)
            for task in running:
                task.cancel()

    async def schedule(self, seconds: float, outages: int) -> None:
        """Run each pair once a minute; after the first minute break one monitor after the other."""
        pairs = [(monitor, site) for monitor in range(1, self.monitors + 1) for site in self.sites]
        random.Random(1).shuffle(pairs)
        began = time.monotonic()
        breaks = iter(
            began + INTERVAL_S + (seconds - INTERVAL_S - LAST_S) * number / outages
            for number in range(outages)
        )
        due_break, broken = next(breaks), 0
        number = 0
        while (now := time.monotonic()) < began + seconds:
            while broken < outages and now >= due_break:
                broken += 1
                self.down_since[broken * (self.monitors // outages)] = now
                due_break = next(breaks, float("inf"))
            while number < (now - began) * len(pairs) / INTERVAL_S:
                monitor, site = pairs[number % len(pairs)]
                self.lag_s = max(self.lag_s, now - began - number * INTERVAL_S / len(pairs))
                self.probe(site, monitor, time.time_ns() // 1000, is_extra=False)
                number += 1
            await asyncio.sleep(0.02)

    def probe(self, site: Site, monitor: int, slot_at_us: int, *, is_extra: bool) -> None:
        is_down = monitor in self.down_since
        if is_down:
            self.failed_at.setdefault(monitor, time.time())
        site.probe(monitor, slot_at_us, is_down=is_down, is_extra=is_extra)

    async def deliver(self, committer: ingest.Committer, site: Site) -> None:
        source = batch.Source(site.agent_id, site.location, site.incarnation, 1)
        while True:
            await asyncio.sleep(0.1)  # what an agent gathers before it sends
            payloads, site.waiting = site.waiting, []
            if payloads:
                queued = await committer.submit(source, site.seq + 1, payloads)
                stored = await queued.answer
                assert isinstance(stored, batch.Stored), stored
                site.seq += len(payloads)

    async def answer(self) -> None:
        """Be told to run monitors now, as collectors are, and let the agents do it."""
        async with await db.connect(self.url) as listener:
            await listener.execute("LISTEN vantage_run_now")
            async for told in listener.notifies():
                run = RunRequest.parse(told.payload)
                for site in self.sites:
                    if site.location in run.locations:
                        self.probe(site, run.monitor_id, run.requested_at_us, is_extra=True)

    async def watch(self) -> None:
        """Note when an incident can be seen by whoever tells people, and when a mail has come."""
        async with await db.connect(self.url) as reader:
            while True:
                cursor = await reader.execute("SELECT monitor_id FROM vantage.incidents")
                for row in await cursor.fetchall():
                    self.known_at.setdefault(row["monitor_id"], time.time())
                while self.box.mails:
                    text = self.box.mails.pop(0).get_body(("plain",))
                    assert text is not None
                    for number in re.findall(r"Down: m(\d+)\b", text.get_content()):
                        self.mailed_at.setdefault(int(number), time.time())
                await asyncio.sleep(0.1)


def install(
    url: str, admin: str, monitors: int, locations: int, box: Mailbox, keyring: Keyring
) -> Installation:
    with psycopg.connect(admin, row_factory=dict_row) as connection:
        account_id = add_account(connection, "bench", "bench@example.org", "a-password")
        sites = []
        for number in range(locations):
            site = Site(f"l{number}", uuid4(), os.urandom(16))
            add_location(connection, name=site.location, title=site.location)
            connection.execute(
                "INSERT INTO vantage.agents (id, location, name, certificate_expires_at,"
                " takes_from) VALUES (%s, %s, 'bench', now() + INTERVAL '1 day', now())",
                [site.agent_id, site.location],
            )
            connection.execute(
                "INSERT INTO vantage.incarnations (agent_id, incarnation) VALUES (%s, %s)",
                [site.agent_id, site.incarnation],
            )
            sites.append(site)
        connection.execute(
            "INSERT INTO vantage.monitors (account_id, name, url, is_everywhere)"
            " SELECT %s, 'm' || n, 'http://host-' || n || '.example/', true"
            " FROM generate_series(1, %s::integer) AS n",
            [account_id, monitors],
        )
        connection.execute(
            "INSERT INTO vantage.monitor_locations SELECT monitors.id, locations.name"
            " FROM vantage.monitors CROSS JOIN vantage.locations"
        )
        sealing.publish(connection, keyring)
        address = Destination.of("people@example.org")
        key_id, sealed = sealing.seal(connection, sealing.channel(account_id), address.encode())
        connection.execute(
            "INSERT INTO vantage.channels (account_id, name, kind, hint, key_id, sealed, spacing_s)"
            " VALUES (%s, 'people', 'mail', 'people', %s, %s, 0)",
            [account_id, key_id, sealed],
        )
    return Installation(url, monitors, sites, box)


@click.command()
@click.option("--monitors", type=click.IntRange(min=100), default=1_000)
@click.option("--locations", type=click.IntRange(min=2), default=10)
@click.option("--seconds", type=click.FloatRange(min=180), default=300.0)
@click.option("--outages", type=click.IntRange(min=2), default=100)
@json_option
def live(monitors: int, locations: int, seconds: float, outages: int, as_json: bool) -> None:
    """Break monitors one after the other and time it until people have a mail.

    From the end of the first failing probe to when the incident can be read, and to when a mail of
    it was handed to a mail server. Exits with 1 where one was missed, or opened for a monitor that
    was well.
    """
    if outages > monitors:
        raise click.UsageError(f"{monitors} monitors cannot break {outages} times: once is all.")
    before = conditions()
    log.configure("error")
    server = fetched_server()
    # The database waits for its disk, as one in production does.
    with temporary_home(on_disk=True) as home, running(home, server, {}) as local, mailbox() as box:
        local.create_database()
        migrate(local.url())
        url = local.url(role="vantage_collector")
        key_file = home / "secret.key"
        installation = install(url, local.url(), monitors, locations, box, Keyring(key_file))
        mail_server = MailServer("127.0.0.1", box.port, False, "", "", "vantage@example.org")
        settings = Settings(url, key_file, mail_server, "https://vantage.example")
        # As the programs that are shipped do.
        uvloop.run(installation.run(seconds, outages, Notifier(settings)))
    failed = installation.failed_at
    delays = {
        name: percentiles([at - failed[each] for each, at in seen.items() if each in failed])
        for name, seen in (("", installation.known_at), ("mail_", installation.mailed_at))
    }
    found = {
        "results_s": monitors * locations // INTERVAL_S,
        "outages": len(failed),
        "missed": len(failed.keys() - installation.known_at.keys()),
        "false": len(installation.known_at.keys() - failed.keys()),
        **{f"{name}{key}": value for name, row in delays.items() for key, value in row.items()},
        "mails": len(installation.mailed_at),
        "agents_late_s": round(installation.lag_s, 2),
    }
    if as_json:
        print(json.dumps({**before, **found}))
    else:
        print(before)
        title = f"{monitors:,} monitors x {locations} locations x {INTERVAL_S} s, {seconds:g} s"
        show(title, list(found), [list(found.values())])
    raise SystemExit(1 if found["false"] or found["missed"] else 0)
