"""Any one process is killed in the middle and started again: every result is stored once.

The target counts the requests it answered. A request that was answered but whose result is not
stored is allowed only where the agent itself was killed before the result was durable: at most
one a monitor and kill.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

from collector import tokens
from collector.local_db import LocalDatabase
from collector.migrate import migrate
from collector.operator.account import add_account
from collector.operator.location import add_location
from collector.operator.monitor import add_monitor
from collector.postgres import Server
from tests.support.collector import collector_program, fetch
from tests.support.counting import CountingTarget, counting_target
from tests.support.database import temporary_home
from tests.support.processes import Program, answers, free_port, running, wait_until

MONITORS = 5
LOCATIONS = ("a", "b")
KILLS = 3
PATHS = [f"/{number}" for number in range(MONITORS)]


@dataclass
class System:
    """Two agents, a collector and a database, each a process of its own."""

    url: str
    database: LocalDatabase
    server: subprocess.Popen[bytes]
    collector: Program
    agents: dict[str, Program]
    target: CountingTarget

    def stored(self) -> int:
        [row] = fetch(self.url, "SELECT count(*) AS n FROM vantage.results")
        return int(row["n"])

    def kill_database(self) -> None:
        self.server.kill()
        self.server.wait()
        self.server = self.database.popen()
        self.database.wait_ready()


@pytest.fixture
def system(private_server: Server, tmp_path: Path) -> Iterator[System]:
    with ExitStack() as stack:
        home = stack.enter_context(temporary_home())
        database = LocalDatabase(home, private_server)
        database.initialise()
        stack.callback(database.stop)
        server = database.popen()
        database.wait_ready()
        database.create_database()
        migrate(database.url())
        url = database.url(role="vantage_collector")
        target = stack.enter_context(counting_target())
        configure(url, target)
        port, enrolment_port = free_port(), free_port()
        collector = collector_program(url, tmp_path, port, enrolment_port)
        ready = lambda: answers(port) and answers(enrolment_port)  # noqa: E731
        stack.enter_context(running(collector, ready=ready, what="the collector"))
        agents = {
            name: stack.enter_context(running_agent(name, url, enrolment_port, tmp_path))
            for name in LOCATIONS
        }
        yield System(url, database, server, collector, agents, target)


def configure(url: str, target: CountingTarget) -> None:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        account_id = add_account(connection, "customer", "c@example.com", "a-password")
        for name in LOCATIONS:
            add_location(connection, name=name, title=name)
        for path in PATHS:
            add_monitor(connection, account_id=account_id, url=target.url(path), interval_s=1)


def running_agent(
    name: str, url: str, enrolment_port: int, directory: Path
) -> AbstractContextManager[Program]:
    home = directory / f"agent-{name}"
    with psycopg.connect(url, row_factory=dict_row) as connection:
        token = tokens.issue(connection, name, f"127.0.0.1:{enrolment_port}")
    joining = Program("agent", ["join", token, f"--home={home}"], directory / "join.log")
    joining.start()
    assert joining.process is not None
    assert joining.process.wait(30) == 0, joining.said()
    arguments = ["run", f"--home={home}", "--allow-network=127.0.0.0/8"]
    program = Program("agent", arguments, directory / f"agent-{name}.log")
    return running(program, ready=lambda: "agent_started" in program.said(), what=f"agent {name}")


VICTIMS: dict[str, Callable[[System, random.Random], None]] = {
    "agent": lambda system, dice: restart(dice.choice(list(system.agents.values()))),
    "collector": lambda system, dice: restart(system.collector),
    "database": lambda system, dice: system.kill_database(),
}


def restart(program: Program) -> None:
    program.kill()
    time.sleep(0.3)
    program.start()


@pytest.mark.parametrize("victim", VICTIMS)
def test_every_result_is_stored_exactly_once(system: System, victim: str) -> None:
    dice = random.Random(victim)
    wait_until(lambda: system.stored() > MONITORS, what="the first results")
    for _ in range(KILLS):
        time.sleep(dice.uniform(1.0, 2.0))
        VICTIMS[victim](system, dice)
    before = system.stored()
    wait_until(
        lambda: system.stored() > before + 2 * MONITORS, seconds=40, what="results after the kills"
    )
    for agent in system.agents.values():
        assert agent.stop() == 0, agent.said()
    rows = fetch(
        system.url,
        "SELECT monitors.url, location, slot_at, count(*) AS n FROM vantage.results"
        " JOIN vantage.monitors ON id = monitor_id GROUP BY 1, 2, 3",
    )
    assert [row for row in rows if row["n"] != 1] == []
    lost_at_most = KILLS if victim == "agent" else 0
    for path in PATHS:
        stored = sum(row["url"] == system.target.url(path) for row in rows)
        answered = system.target.answered[path]
        assert answered - lost_at_most <= stored <= answered, (path, victim)
    [sums] = fetch(
        system.url,
        "SELECT sum(high_water) AS acknowledged, (SELECT count(*) FROM vantage.results) AS rows,"
        " (SELECT count(*) FROM vantage.quarantine) AS refused FROM vantage.incarnations",
    )
    assert sums["acknowledged"] == sums["rows"]
    assert sums["refused"] == 0
