"""Two agents of one location share its monitors, over two collectors behind one address.

Every slot is run once, however agents come, die and return; but for those between a death and the
takeover.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

from collector.monitor import Monitor
from collector.operator.account import add_account
from collector.operator.location import add_location
from collector.operator.monitor import add_monitor
from tests.support.balancer import running_balancer
from tests.support.collector import Collector, fetch, running_collector
from tests.support.counting import counting_target
from tests.support.database import Database
from tests.support.processes import Program, running, wait_until

MONITORS = 12
# What docs/agents.md promises.
TAKEOVER_S = 15

SLOTS = """
SELECT monitor_id, agent_id, extract(epoch FROM slot_at)::float8 AS slot_s
FROM vantage.results ORDER BY slot_at
"""
# Slots that an agent could not run, as it said: the machine had stopped for longer than a second.
MISSED = """
SELECT monitor_id, slot_s FROM vantage.gaps, generate_series(
    floor(extract(epoch FROM from_slot_at))::bigint,
    floor(extract(epoch FROM to_slot_at))::bigint) AS slot_s
WHERE reason IN ('overloaded', 'overlap')
"""
DOUBLES = """
SELECT monitor_id, slot_at, count(*) AS n, array_agg(agent_id) AS agents
FROM vantage.results GROUP BY monitor_id, slot_at HAVING count(*) > 1
"""
# Slots that were run on the wrong side of the moment from which the agent that returned takes part.
MISPLACED = """
WITH moved AS (
    SELECT results.monitor_id, agents.id, agents.takes_from
    FROM vantage.results JOIN vantage.agents ON agents.id = results.agent_id
    WHERE agents.id = %(id)s AND results.slot_at > %(died_at)s
    GROUP BY 1, 2, 3
)
SELECT results.monitor_id, results.slot_at, results.agent_id, moved.takes_from
FROM vantage.results JOIN moved USING (monitor_id)
WHERE results.slot_at > %(died_at)s
    AND (results.agent_id = moved.id) <> (results.slot_at >= moved.takes_from)
"""
# Monitors by the agent that ran their last slot.
SHARES = """
SELECT agent_id::text, count(*) AS n FROM (
    SELECT DISTINCT ON (monitor_id) monitor_id, agent_id FROM vantage.results
    WHERE slot_at > %s ORDER BY monitor_id, slot_at DESC) AS newest GROUP BY agent_id
"""


@dataclass
class Pool:
    url: str
    collectors: list[Collector]
    agents: dict[str, Program]

    def shares(self, since_s: float = 0) -> dict[str, int]:
        since = datetime.fromtimestamp(since_s).astimezone()
        return {row["agent_id"]: row["n"] for row in fetch(self.url, SHARES, [since])}

    def missing(self, from_s: float, to_s: float) -> list[tuple[int, int]]:
        """Every slot (monitor, number) between two moments of which nothing is known."""
        known = {(row["monitor_id"], int(row["slot_s"])) for row in fetch(self.url, SLOTS)}
        known |= {(row["monitor_id"], row["slot_s"]) for row in fetch(self.url, MISSED)}
        due = {
            (monitor, second)
            for monitor in range(1, MONITORS + 1)
            for second in range(int(from_s) + 1, int(to_s) - 1)
        }
        return sorted(due - known)


@pytest.fixture
def pool(database: Database, tmp_path: Path) -> Iterator[Pool]:
    url = database.url(role="vantage_collector")
    with ExitStack() as stack:
        target = stack.enter_context(counting_target())
        with psycopg.connect(url, row_factory=dict_row) as connection:
            account_id = add_account(connection, "customer", "c@example.com", "a-password")
            add_location(connection, name="a", title="A")
            for number in range(MONITORS):
                address = target.url(f"/{number}")
                add_monitor(connection, account_id, Monitor(url=address, interval_s=1))
        collectors = []
        for name in ("one", "two"):
            directory = tmp_path / f"collector-{name}"
            directory.mkdir()
            # The second is given the first one's authority, as docs/agents.md says.
            (directory / "authority").symlink_to(tmp_path / "authority")
            (tmp_path / "authority").mkdir(exist_ok=True)
            collectors.append(stack.enter_context(running_collector(url, directory)))
        balancer = stack.enter_context(running_balancer([each.port for each in collectors]))
        agents = {}
        for name in ("one", "two"):
            home = tmp_path / name
            join = [sys.executable, "-m", "agent", "join", "-", f"--home={home}"]
            token = collectors[0].token("a").encode()
            subprocess.run(join, input=token, check=True, capture_output=True, timeout=60)
            agent_id = json.loads((home / "agent.json").read_text())["agent_id"]
            options = [f"--home={home}", f"--collector=127.0.0.1:{balancer.port}"]
            program = Program(
                "agent",
                ["run", *options, "--allow-network=127.0.0.0/8"],
                tmp_path / f"{name}.log",
            )
            ready = lambda program=program: "monitors_assigned" in program.said()  # noqa: E731
            stack.enter_context(running(program, ready=ready, what=f"agent {name}"))
            agents[agent_id] = program
        yield Pool(url, collectors, agents)


def test_every_slot_is_run_once_as_agents_die_and_return(pool: Pool) -> None:
    wait_until(lambda: len(pool.shares(time.time() - 3)) == 2, what="both agents at work")
    began_s = time.time()
    assert all("stream_opened" in each.program.said() for each in pool.collectors)
    dead_id, dead = min(pool.agents.items(), key=lambda item: -pool.shares().get(item[0], 0))
    wait_until(lambda: time.time() - began_s > 3, what="some slots of both")

    dead.kill()
    died_s = time.time()
    wait_until(
        lambda: [*pool.shares(time.time() - 1.5).values()] == [MONITORS],
        seconds=TAKEOVER_S + 5,
        what="the other agent at all monitors",
    )
    taken_s = time.time()
    assert not pool.missing(began_s, died_s - 2)
    gap = [slot for _, slot in pool.missing(died_s - 2, taken_s)]
    assert gap
    assert max(gap) - died_s < TAKEOVER_S

    dead.start()
    wait_until(lambda: len(pool.shares(time.time() - 3)) == 2, what="both agents at work again")
    back_s = time.time()
    wait_until(lambda: time.time() - back_s > 2, what="some slots after the handover")
    wait_until(lambda: not pool.missing(taken_s, back_s + 2), what="every slot")
    assert fetch(pool.url, DOUBLES) == []
    assert dead_id in pool.shares(back_s)
    died_at = datetime.fromtimestamp(died_s).astimezone()
    assert fetch(pool.url, MISPLACED, {"id": dead_id, "died_at": died_at}) == []


def test_a_frozen_agents_monitors_are_taken_over_too(pool: Pool) -> None:
    """Its connection stays open: only its heartbeats are missed."""
    wait_until(lambda: len(pool.shares(time.time() - 3)) == 2, what="both agents at work")
    frozen = max(pool.agents, key=lambda agent_id: pool.shares().get(agent_id, 0))
    os.kill(pool.agents[frozen].pid, signal.SIGSTOP)
    try:
        stopped_s = time.time()
        wait_until(
            lambda: [*pool.shares(time.time() - 1.5).values()] == [MONITORS],
            seconds=TAKEOVER_S + 5,
            what="the other agent at all monitors",
        )
        gap = [slot for _, slot in pool.missing(stopped_s, time.time())]
        assert max(gap) - stopped_s < TAKEOVER_S
    finally:
        os.kill(pool.agents[frozen].pid, signal.SIGCONT)
