"""A person asks for a result now, and has one from every location in seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from collector.monitor import Monitor
from collector.operator.monitor import add_monitor
from tests.support.collector import configure, fetch, running_collector
from tests.support.counting import CountingTarget, counting_target
from tests.support.database import Databases
from tests.support.processes import Program, running, wait_until
from tests.support.site import running_site

# So rare that no scheduled result comes in between.
DAY_S = 86_400
# A monitor's own timeout is how long a busy machine may take, and who is silent is waited for.
PATIENT_S, IMPATIENT_S = 40, 5


@dataclass
class Place:
    """A collector with agents at two locations, and monitors of their own for the tests."""

    url: str
    dashboard_url: str
    target: CountingTarget
    agents: Sequence[Program]
    monitors: int = 0

    def add(self, monitor: Monitor) -> str:
        """Add a monitor, wait until the agents know of it, and return its number."""
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            monitor_id = add_monitor(connection, 1, monitor)
        self.monitors += 1
        known = f'"monitors": {self.monitors}'
        wait_until(lambda: all(known in each.said() for each in self.agents), what="assignments")
        return str(monitor_id)


@pytest.fixture(scope="module")
def place(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("place")
    with ExitStack() as stack:
        database = stack.enter_context(databases.migrated())
        url = database.url(role="vantage_collector")
        configure(url, locations=("a", "b", "nobody"), monitors=0)
        collector = stack.enter_context(running_collector(url, directory))
        agents = []
        for name in ("a", "b"):
            home = directory / name
            join = [sys.executable, "-m", "agent", "join", collector.token(name), f"--home={home}"]
            subprocess.run(join, check=True, capture_output=True, timeout=60)
            agent = Program(
                "agent",
                ["run", f"--home={home}", "--allow-network=127.0.0.0/8"],
                directory / f"{name}.log",
            )
            ready = lambda agent=agent: '"monitors": 0' in agent.said()  # noqa: E731
            stack.enter_context(running(agent, ready=ready, what=f"agent {name}"))
            agents.append(agent)
        target = stack.enter_context(counting_target())
        yield Place(url, database.url(role="vantage_dashboard"), target, agents)


@pytest.fixture
def monitor(place: Place, request: pytest.FixtureRequest) -> str:
    """The number of a monitor that only this test asks for; its path is the test's name."""
    url = place.target.url(f"/{request.node.name}")
    return place.add(Monitor(url=url, interval_s=DAY_S, timeout_s=PATIENT_S, locations=("a", "b")))


def monitor_run(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "collector.operator", "monitor", "run", *arguments]
    return subprocess.run(
        [*command, f"--database={url}"], capture_output=True, text=True, timeout=90
    )


def results(place: Place, monitor: str, columns: str) -> list[dict[str, Any]]:
    return fetch(
        place.url,
        f"SELECT DISTINCT {columns} FROM vantage.results WHERE monitor_id = {monitor} ORDER BY 1",
    )


def test_every_location_answers_at_once_with_the_same_slot(place: Place, monitor: str) -> None:
    ran = monitor_run(place.url, monitor, "--json")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert [(row["location"], row["outcome"]) for row in found] == [("a", "up"), ("b", "up")]
    path = "/test_every_location_answers_at_once_with_the_same_slot"
    assert place.target.answered[path] == 2
    [row] = results(place, monitor, "slot_at, is_extra")
    assert row["is_extra"] is True


def test_the_report_centres_way_of_asking_has_the_same_effect(place: Place, monitor: str) -> None:
    with psycopg.connect(place.dashboard_url) as connection:
        for setting in ("vantage.account_id", "vantage.user_id"):
            connection.execute("SELECT set_config(%s, '1', true)", [setting])
        asked = connection.execute("SELECT report.run_now(%s)", [int(monitor)])
        [asked_at] = asked.fetchone() or [None]
    wait_until(lambda: len(results(place, monitor, "location")) == 2, what="two results")
    [row] = results(place, monitor, "slot_at, is_extra")
    assert row == {"slot_at": asked_at, "is_extra": True}


def test_a_whole_page_is_stored_with_its_resources(place: Place) -> None:
    pages: dict[str, Any] = {
        "/": ("text/html", b"<img src=/a.png><script src=/b.js></script>", 0.0, {}),
        "/a.png": ("image/png", b"x" * 2000, 0.0, {}),
    }
    with running_site(pages) as site:
        monitor = place.add(Monitor(url=site.url(), interval_s=DAY_S, kind="page"))
        assert monitor_run(place.url, monitor, "--location=a").returncode == 0
    columns = "outcome, failure, http_status, resources_us > 0 AS has_resources"
    [row] = results(place, monitor, columns)
    assert [*row.values()] == ["degraded", "resource_failed", 200, True]
    found = fetch(
        place.url,
        f"SELECT * FROM vantage.exchanges WHERE monitor_id = {monitor} ORDER BY resource",
    )
    assert [(each["role"], each["resource"], each["failure"]) for each in found] == [
        ("resource", "image", None),
        ("resource", "script", "http_status"),
    ]
    assert found[0]["body_bytes"] == 2000


def test_one_location_may_be_asked_and_the_table_is_readable(place: Place, monitor: str) -> None:
    ran = monitor_run(place.url, monitor, "--location=b")
    head, row = ran.stdout.splitlines()
    assert head.split()[:3] == ["LOCATION", "OUTCOME", "STATUS"]
    assert row.split()[:3] == ["b", "up", "200"]
    assert results(place, monitor, "location") == [{"location": "b"}]


def test_what_cannot_be_run_is_said(place: Place, monitor: str) -> None:
    assert "no monitor 99" in monitor_run(place.url, "99").stderr
    said = monitor_run(place.url, monitor, "--location=nobody").stderr
    assert "not probed from 'nobody'" in said


def test_a_location_that_is_silent_is_named(place: Place) -> None:
    monitor = place.add(
        Monitor(
            url=place.target.url("/"),
            interval_s=DAY_S,
            timeout_s=IMPATIENT_S,
            locations=("a", "b", "nobody"),
        )
    )
    ran = monitor_run(place.url, monitor)
    assert ran.returncode == 1
    assert "from nobody" in ran.stderr
    assert "vantage agent list" in ran.stderr
