"""From the command line to the row: what is asked and expected, and what was found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from psycopg.rows import dict_row

from collector.operator.account import add_account
from collector.operator.location import add_location
from collector.operator.main import main
from tests.support.collector import Collector, fetch, running_collector
from tests.support.database import Database
from tests.support.in_thread import serving_in_thread
from tests.support.processes import Program, running, wait_until


class Api(BaseHTTPRequestHandler):
    """Takes orders, from those who know the key."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_right = (self.headers["X-Key"], body) == ("seven", b'{"dry_run": true}')
        answer = b'{"status": "ok", "queue": 3}'
        self.send_response(201 if is_right else 403)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def api() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    with serving_in_thread(server):
        yield f"http://127.0.0.1:{server.server_port}/orders"


@pytest.fixture
def collector(database: Database, tmp_path: Path) -> Iterator[Collector]:
    url = database.url(role="vantage_collector")
    with psycopg.connect(url, row_factory=dict_row) as connection:
        add_account(connection, "customer", "c@example.com", "a-password")
        add_location(connection, name="a", title="A")
    with ExitStack() as stack:
        collector = stack.enter_context(running_collector(url, tmp_path))
        home = tmp_path / "agent"
        joining = Program(
            "agent", ["join", collector.token("a"), f"--home={home}"], tmp_path / "join.log"
        )
        joining.start()
        assert joining.process is not None
        assert joining.process.wait(30) == 0, joining.said()
        arguments = ["run", f"--home={home}", "--allow-network=127.0.0.0/8"]
        agent = Program("agent", arguments, tmp_path / "agent.log")
        ready = lambda: "agent_started" in agent.said()  # noqa: E731
        stack.enter_context(running(agent, ready=ready, what="the agent"))
        yield collector


def add(collector: Collector, url: str, *options: str) -> None:
    order = ['--body={"dry_run": true}', "--header=X-Key: seven", "--interval=1s"]
    arguments = ["monitor", "add", url, *order, *options, f"--database={collector.url}"]
    added = CliRunner().invoke(main, arguments)
    assert added.exit_code == 0, added.output


def found(collector: Collector) -> dict[int, tuple[str, str | None, str | None]]:
    rows = fetch(
        collector.url, "SELECT DISTINCT monitor_id, outcome, failure, detail FROM vantage.results"
    )
    return {row["monitor_id"]: (row["outcome"], row["failure"], row["detail"]) for row in rows}


def test_what_is_expected_on_the_command_line_is_judged_in_the_database(
    collector: Collector, api: str
) -> None:
    add(collector, api, "--status=201", "--json-path=$.status=ok", "--matches=queue")
    add(collector, api, "--json-path=$.queue=0", "--contains=error")
    add(collector, api, "--cert-days=14")
    wait_until(lambda: len(found(collector)) == 3, seconds=30, what="a result of each monitor")
    assert found(collector) == {
        1: ("up", None, None),
        2: (
            "down",
            "assertion_body",
            'body containing "error" expected, not found in 28 bytes; '
            "JSON $.queue equal to 0 expected, found 3",
        ),
        3: (
            "degraded",
            "assertion_certificate",
            "certificate good for at least 14 days expected, there is none",
        ),
    }
