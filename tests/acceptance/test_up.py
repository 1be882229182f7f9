"""`vantage up` as a newcomer runs it: one command, three locations, stopped and started again."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from collector.local_db import running_database
from tests.support.counting import CountingTarget, counting_target
from tests.support.database import temporary_home
from tests.support.mailbox import Mailbox, mailbox
from tests.support.processes import Program, answers, free_port, has_ended, wait_until

TOMORROW = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"
BY_LOCATION = "SELECT location, count(*) FROM vantage.results GROUP BY 1 ORDER BY 1"


@pytest.fixture
def home() -> Iterator[Path]:
    with temporary_home() as home:
        yield home / "data of vantage"


@pytest.fixture
def target() -> Iterator[CountingTarget]:
    with counting_target() as target:
        yield target


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox() as started:
        yield started


def vantage(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "collector.operator", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def results(home: Path) -> dict[str, int]:
    """Count what is stored by location."""
    database = running_database(home)
    if database is None:
        return {}
    with suppress(psycopg.Error), psycopg.connect(database.url()) as connection:
        return dict(connection.execute(BY_LOCATION).fetchall())
    return {}


def up(home: Path, port: int, *arguments: str) -> Program:
    log = home.parent / "up.log"
    options = ["up", *arguments, f"--home={home}", f"--port={port}"]
    return Program("collector.operator", options, log)


def stop(program: Program) -> None:
    """Ctrl-C, and see that it ends well."""
    assert program.signal(signal.SIGINT) == 0, program.said()


def processes_of(home: Path) -> list[str]:
    """Command lines of whatever still works for a home."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(home) in text:
            lines.append(text)
    return lines


def test_a_newcomer_sees_three_locations_and_goes_on_though_it_was_killed(
    home: Path, target: CountingTarget, box: Mailbox
) -> None:
    port = free_port()
    mail = (f"--smtp=smtp://127.0.0.1:{box.port}", "--mail-from=v@example.com")
    # Strangers' URLs may not lead to the machine itself, where this test's target is.
    allowed = "--allow-network=127.0.0.0/8"
    first = up(home, port, target.url("/"), "--registration=open", allowed, *mail)
    first.start()
    try:
        wait_until(lambda: answers(port) or has_ended(first), seconds=120, what="the dashboard")
        assert not has_ended(first), first.said()
        wait_until(lambda: len(results(home)) == 3, seconds=120, what="three locations")
        said = vantage("psql", f"--home={home}", "-c", f"COPY ({BY_LOCATION}) TO STDOUT").stdout
        counts = dict(line.split("\t") for line in said.splitlines())
        assert list(counts) == ["local-1", "local-2", "local-3"]
        for path in ("/healthz", "/register"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
                assert answer.status == 200
        [monitor] = json.loads(vantage("monitor", "list", "--json", f"--home={home}").stdout)
        assert monitor["url"] == target.url("/")
        # The notifier and, when it starts the next time, the report centre hand mail in.
        for command in (
            ("channel", "add", "ops@example.com"),
            ("channel", "test", "1"),
            ("account", "plan", "--trial", f"--until={TOMORROW}"),
        ):
            done = vantage(*command, f"--home={home}")
            assert done.returncode == 0, done.stderr
        assert box.wait_for("ops@example.com")["From"] == "v@example.com"
        again = vantage("up", f"--home={home}", f"--port={free_port()}")
        assert again.returncode == 1
        assert "is running in" in again.stderr
    finally:
        stop(first)
    said = first.said()
    assert f"http://127.0.0.1:{port}/" in said
    assert "password" in said
    assert f"Mail       by smtp://127.0.0.1:{box.port}" in said
    assert "Traceback" not in said
    assert processes_of(home) == []

    second = up(home, port, *mail)
    second.start()
    try:
        wait_until(lambda: answers(port) or has_ended(second), seconds=120, what="the second run")
        before = sum(map(int, counts.values()))
        wait_until(
            lambda: sum(results(home).values()) > before,
            what="the first run's results, and more",
        )
        agents = json.loads(vantage("agent", "list", "--json", f"--home={home}").stdout)
        assert len(agents) == 3, "the agents of the first run, not new ones"
        letter = box.wait_for("you@localhost").as_string()
        assert f"http://127.0.0.1:{port}/settings/plan" in letter
    finally:
        second.kill()
    time.sleep(1)

    third = up(home, port, "--for=1s")
    third.start()
    assert third.process is not None
    try:
        assert third.process.wait(120) == 0, third.said()
    finally:
        third.kill()
    assert "Query" in third.said_since_start()
    assert processes_of(home) == []


def test_a_port_in_use_is_said_before_anything_is_done(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = vantage("up", f"--home={home}", f"--port={port}")
    assert said.returncode == 1
    assert f"Port {port} cannot be used" in said.stderr
    assert "--port" in said.stderr
    assert not home.exists()


@pytest.mark.parametrize("url", ["not-a-url", "gopher://a.example/", "http://"])
def test_an_unusable_url_is_said_before_anything_is_done(home: Path, url: str) -> None:
    said = vantage("up", url, f"--home={home}", f"--port={free_port()}")
    assert said.returncode == 1
    assert f"The URL {url!r}" in said.stderr
    assert not home.exists()


def test_open_registration_needs_mail(home: Path) -> None:
    said = vantage("up", "--registration=open", f"--home={home}", f"--port={free_port()}")
    assert said.returncode == 1
    assert "Name one with --smtp" in said.stderr
    assert not home.exists()


def test_a_home_that_cannot_be_written_is_named() -> None:
    said = vantage("up", "--home=/proc/vantage", f"--port={free_port()}")
    assert said.returncode == 1
    assert "/proc/vantage" in said.stderr
    assert "--home" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_database_that_is_no_timescaledb_is_refused(home: Path) -> None:
    said = vantage(
        "up", f"--home={home}", f"--port={free_port()}", "--database=postgresql:///x?host=/nowhere"
    )
    assert said.returncode == 1
    assert "Traceback" not in said.stderr
