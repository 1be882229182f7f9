"""A whole installation of real processes, each agent behind a proxy of its own, and its load."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.rows import dict_row

from collector import tokens
from collector.local_db import LocalDatabase
from collector.migrate import migrate
from collector.monitor import Monitor
from collector.operator.account import add_account
from collector.operator.location import add_location
from collector.operator.monitor import add_monitor
from collector.postgres import Server
from tests.support.collector import collector_program
from tests.support.counting import CountingTarget, counting_target
from tests.support.database import FAST, temporary_home
from tests.support.faults.members import DatabaseServer, Member, repeated
from tests.support.faults.proxy import Link, Proxy
from tests.support.faults.witness import Witness
from tests.support.processes import Program, answers, free_port, running

TMPFS_BYTES = 1 << 30
LOADED = 20


@dataclass(frozen=True)
class Shape:
    """How large; and what stands in place of `python -m agent` and `python -m collector`.

    ``load``: results a second that each agent spools besides those that it measures.

    ``spool_limit``: so small that results are dropped when a collector is away for some seconds.
    ``keep_acknowledged``: agents heal a collector's loss with what they keep.
    """

    agents: int = 4
    monitors: int = 20
    load: int = 0
    spool_limit: str = "1G"
    keep_acknowledged: str = "1h"
    agent_module: str = "tests.support.faults.stepping_agent"
    collector_module: str = "collector"


@dataclass
class Agent:
    """One location's agent, its way to the collectors, and the witness of its spool.

    ``disk``: a file system of its own; None: only root can make one.
    ``clock``: the file that says how far its clock is ahead, in microseconds.
    ``load``: the file that says how many results it makes up, of which monitors.
    ``made_up``: how many results were put into its spool that nobody measured; ``poison``: those
    among them that no collector may store as a row.
    """

    agent_id: str
    member: Member
    link: Link
    witness: Witness
    disk: Path | None
    clock: Path
    load: Path
    poison: set[bytes] = field(default_factory=set)
    made_up: int = 0

    @property
    def spool(self) -> Path:
        return self.witness.spool


@dataclass
class System:
    url: str
    database: DatabaseServer
    collectors: dict[int, Member]
    agents: list[Agent]
    target: CountingTarget
    monitors: list[int]
    loaded: list[int]
    """Monitors of which nothing is measured: their results are the load."""

    @property
    def members(self) -> list[Member]:
        return [*self.collectors.values(), *(agent.member for agent in self.agents)]

    def look(self) -> None:
        for agent in self.agents:
            agent.witness.look()

    def unload(self) -> None:
        """Make up no more results."""
        for agent in self.agents:
            put(agent.load, "0")

    def other(self, port: int) -> int:
        """Return the port of a collector other than the one at ``port``."""
        ports = list(self.collectors)
        return ports[(ports.index(port) + 1) % len(ports)]


@contextmanager
def running_system(server: Server, directory: Path, shape: Shape) -> Iterator[System]:
    with ExitStack() as stack:
        home = stack.enter_context(temporary_home())
        local = LocalDatabase(home, server, settings=FAST)
        local.initialise()
        stack.callback(local.stop)
        database = DatabaseServer(local, local.popen())
        local.wait_ready()
        local.create_database()
        migrate(local.url())
        url = local.url(role="vantage_collector")
        target = stack.enter_context(counting_target())
        locations = [f"region-{number}" for number in range(shape.agents)]
        monitors = configure(url, target, locations, shape.monitors)
        loaded = configure_load(url) if shape.load else []
        enrolment_ports, collectors = {}, {}
        for number in range(2):
            port, enrolment_ports[number] = free_port(), free_port()
            program = collector_program(url, directory, port, enrolment_ports[number])
            program.log = directory / f"collector-{number}.log"
            program.command[2] = shape.collector_module
            stack.enter_context(running_program(program, port, enrolment_ports[number]))
            collectors[port] = Member(program)
        proxy = stack.enter_context(Proxy())
        agents = [
            stack.enter_context(
                running_agent(
                    name, url, enrolment_ports[0], directory, shape, loaded, proxy.link(target_port)
                )
            )
            for name, target_port in zip(locations, [*collectors] * shape.agents, strict=False)
        ]
        yield System(url, database, collectors, agents, target, monitors, loaded)


def configure(url: str, target: CountingTarget, locations: list[str], monitors: int) -> list[int]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        account_id = add_account(connection, "customer", "c@example.com", "a-password")
        for name in locations:
            add_location(connection, name=name, title=name)
        return [
            add_monitor(connection, account_id, Monitor(url=target.url(f"/{number}"), interval_s=1))
            for number in range(monitors)
        ]


def configure_load(url: str) -> list[int]:
    """Add monitors that are paused, so that agents do not probe them; results are welcome."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        account = connection.execute("SELECT id FROM vantage.accounts").fetchone()
        assert account is not None
        monitors = [
            add_monitor(connection, account["id"], Monitor(url=f"http://127.0.0.1:1/{number}"))
            for number in range(LOADED)
        ]
        connection.execute(
            "UPDATE vantage.monitors SET paused_at = now() WHERE id = ANY(%s)", [monitors]
        )
        return monitors


@contextmanager
def running_program(program: Program, *ports: int) -> Iterator[None]:
    ready = lambda: all(answers(port) for port in ports)  # noqa: E731
    with running(program, ready=ready, what=program.log.stem):
        yield


@contextmanager
def running_agent(
    name: str,
    url: str,
    enrolment_port: int,
    directory: Path,
    shape: Shape,
    loaded: list[int],
    link: Link,
) -> Iterator[Agent]:
    place = directory / name
    place.mkdir()
    with own_disk(place) as disk:
        home = place / "home"
        with psycopg.connect(url, row_factory=dict_row) as connection:
            token = tokens.issue(connection, name, f"127.0.0.1:{enrolment_port}")
        joining = Program("agent", ["join", token, f"--home={home}"], directory / "join.log")
        joining.start()
        assert joining.process is not None
        assert joining.process.wait(30) == 0, joining.said()
        arguments = [
            "run",
            f"--home={home}",
            f"--collector=127.0.0.1:{link.port}",
            "--allow-network=127.0.0.0/8",
            f"--spool-limit={shape.spool_limit}",
            f"--keep-acknowledged={shape.keep_acknowledged}",
        ]
        clock, load = directory / f"{name}.clock", directory / f"{name}.load"
        put(load, " ".join(map(str, [shape.load, *loaded])))
        program = Program(
            shape.agent_module,
            arguments,
            directory / f"{name}.log",
            environment={"VANTAGE_CLOCK": str(clock), "VANTAGE_LOAD": str(load) if loaded else ""},
        )
        witness = Witness(home / "spool", place / "witness")
        with psycopg.connect(url, row_factory=dict_row) as connection:
            row = connection.execute("SELECT id FROM vantage.agents WHERE location = %s", [name])
            [agent_id] = [str(agent["id"]) for agent in row]
        ready = lambda: "agent_started" in program.said()  # noqa: E731
        # From its start: while the others are started it may already have to drop what is stored.
        with repeated("witness", witness.look), running(program, ready=ready, what=name):
            yield Agent(agent_id, Member(program, witness.look), link, witness, disk, clock, load)


def put(path: Path, text: str) -> None:
    """Replace a file at once: somebody reads it all the time."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


@contextmanager
def own_disk(place: Path) -> Iterator[Path | None]:
    """Put a file system of its own at ``place``, whose size can be changed."""
    if os.geteuid() != 0:
        yield None
        return
    size = f"size={TMPFS_BYTES}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def resize(disk: Path, size_bytes: int) -> None:
    # Not looked up in the list of mounts, which may change while it is read.
    options = ["--options-source=disable", f"--options=remount,size={size_bytes}"]
    command = ["mount", "-t", "tmpfs", *options, "tmpfs", str(disk)]
    subprocess.run(command, check=True, capture_output=True)
