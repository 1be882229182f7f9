"""A person asks for a result now, and has one from every location in seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from collector.monitor import Monitor
from collector.operator.account import add_account
from collector.operator.location import add_location
from collector.operator.monitor import add_monitor
from tests.support.collector import fetch, running_collector
from tests.support.counting import CountingTarget, counting_target
from tests.support.database import Database
from tests.support.processes import Program, running, wait_until
from tests.support.site import running_site

# So rare that no scheduled result comes in between.
DAY_S = 86_400


@pytest.fixture
def target() -> Iterator[CountingTarget]:
    with counting_target() as target:
        yield target


@pytest.fixture
def configured(database: Database, target: CountingTarget) -> str:
    """A database with a monitor, and nobody who runs it."""
    url = database.url(role="vantage_collector")
    with psycopg.connect(url, row_factory=dict_row) as connection:
        account_id = add_account(connection, "customer", "c@example.com", "a-password")
        for name in ("a", "b", "nobody"):
            add_location(connection, name=name, title=name)
        add_monitor(
            connection,
            account_id,
            Monitor(url=target.url("/"), interval_s=DAY_S, timeout_s=1, locations=("a", "b")),
        )
    return url


@pytest.fixture
def url(configured: str, tmp_path: Path) -> Iterator[str]:
    with ExitStack() as stack:
        collector = stack.enter_context(running_collector(configured, tmp_path))
        for name in ("a", "b"):
            home = tmp_path / name
            join = [sys.executable, "-m", "agent", "join", collector.token(name), f"--home={home}"]
            subprocess.run(join, check=True, capture_output=True, timeout=30)
            agent = Program(
                "agent",
                ["run", f"--home={home}", "--allow-network=127.0.0.0/8"],
                tmp_path / f"{name}.log",
            )
            ready = lambda agent=agent: '"monitors": 1' in agent.said()  # noqa: E731
            stack.enter_context(running(agent, ready=ready, what=f"agent {name}"))
        agents = "SELECT FROM vantage.agents"
        wait_until(lambda: len(fetch(configured, agents)) == 2, what="two agents")
        yield configured


def monitor_run(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "collector.operator", "monitor", "run", *arguments]
    return subprocess.run(
        [*command, f"--database={url}"], capture_output=True, text=True, timeout=30
    )


def test_every_location_answers_at_once_with_the_same_slot(
    url: str, target: CountingTarget
) -> None:
    ran = monitor_run(url, "1", "--json")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert [(row["location"], row["outcome"]) for row in found] == [("a", "up"), ("b", "up")]
    assert target.answered["/"] == 2
    rows = fetch(url, "SELECT DISTINCT slot_at, is_extra FROM vantage.results")
    assert [row["is_extra"] for row in rows] == [True]


def test_the_report_centres_way_of_asking_has_the_same_effect(url: str, database: Database) -> None:
    with psycopg.connect(database.url(role="vantage_dashboard")) as connection:
        for setting in ("vantage.account_id", "vantage.user_id"):
            connection.execute("SELECT set_config(%s, '1', true)", [setting])
        [asked_at] = connection.execute("SELECT report.run_now(1)").fetchone() or [None]
    found = "SELECT location FROM vantage.results WHERE is_extra ORDER BY location"
    wait_until(lambda: len(fetch(url, found)) == 2, what="two results")
    slots = fetch(url, "SELECT DISTINCT slot_at FROM vantage.results")
    assert [row["slot_at"] for row in slots] == [asked_at]


def test_a_whole_page_is_stored_with_its_resources(url: str) -> None:
    pages: dict[str, Any] = {
        "/": ("text/html", b"<img src=/a.png><script src=/b.js></script>", 0.0, {}),
        "/a.png": ("image/png", b"x" * 2000, 0.0, {}),
    }
    with running_site(pages) as site:
        with psycopg.connect(url, row_factory=dict_row) as connection:
            monitor_id = add_monitor(
                connection, 1, Monitor(url=site.url(), interval_s=DAY_S, kind="page")
            )
        # Until the agents know of it they ignore what is asked.
        asked = lambda: monitor_run(url, str(monitor_id), "--location=a", "--json")  # noqa: E731
        wait_until(lambda: asked().returncode == 0, what="a result of the page")
    [row] = fetch(
        url,
        "SELECT * FROM vantage.results WHERE monitor_id = 2 AND location = 'a'"
        " ORDER BY slot_at LIMIT 1",
    )
    assert (row["outcome"], row["failure"], row["http_status"]) == (
        "degraded",
        "resource_failed",
        200,
    )
    assert row["resources_us"] > 0
    found = fetch(
        url,
        "SELECT * FROM vantage.exchanges WHERE monitor_id = 2 AND location = 'a'"
        f" AND slot_at = '{row['slot_at'].isoformat()}' ORDER BY resource",
    )
    assert [(each["role"], each["resource"], each["failure"]) for each in found] == [
        ("resource", "image", None),
        ("resource", "script", "http_status"),
    ]
    assert found[0]["body_bytes"] == 2000


def test_one_location_may_be_asked_and_the_table_is_readable(url: str) -> None:
    ran = monitor_run(url, "1", "--location=b")
    head, row = ran.stdout.splitlines()
    assert head.split()[:3] == ["LOCATION", "OUTCOME", "STATUS"]
    assert row.split()[:3] == ["b", "up", "200"]
    [count] = fetch(url, "SELECT count(*) AS n FROM vantage.results")
    assert count["n"] == 1


def test_what_cannot_be_run_is_said(configured: str) -> None:
    assert "no monitor 9" in monitor_run(configured, "9").stderr
    assert "not probed from 'nobody'" in monitor_run(configured, "1", "--location=nobody").stderr


def test_a_location_that_is_silent_is_named(url: str, database: Database) -> None:
    with psycopg.connect(database.url(), autocommit=True) as connection:
        connection.execute("INSERT INTO vantage.monitor_locations VALUES (1, 'nobody')")
    ran = monitor_run(url, "1")
    assert ran.returncode == 1
    assert "from nobody" in ran.stderr
    assert "vantage agent list" in ran.stderr
