"""A secret reaches the server that it is for, and nothing that a running system leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from collector.operator.main import main
from tests.support.collector import Collector, configure, fetch, running_collector
from tests.support.database import Database
from tests.support.in_thread import serving_in_thread
from tests.support.processes import Program, running, wait_until

SECRET = "correct-horse-battery-staple"


class Guarded(BaseHTTPRequestHandler):
    """Lets those in who know the secret, and quotes it to nobody."""

    def do_GET(self) -> None:
        self.send_response(200 if self.headers["X-Key"] == SECRET else 403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def guarded() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Guarded)
    with serving_in_thread(server):
        yield f"http://127.0.0.1:{server.server_port}/"


def outcomes(collector: Collector) -> dict[int, set[str]]:
    rows = fetch(
        collector.url,
        "SELECT monitor_id, array_agg(DISTINCT outcome::text) AS outcomes"
        " FROM vantage.results GROUP BY 1",
    )
    return {row["monitor_id"]: set(row["outcomes"]) for row in rows}


def test_a_secret_is_seen_by_its_server_alone(
    database: Database, tmp_path: Path, guarded: str
) -> None:
    configure(database.url(), monitors=0)
    (tmp_path / "key").write_text(SECRET + "\n")
    with ExitStack() as stack:
        collector = stack.enter_context(
            running_collector(database.url(role="vantage_collector"), tmp_path, "--log-level=debug")
        )
        home = tmp_path / "agent"
        joining = Program(
            "agent", ["join", collector.token("a"), f"--home={home}"], tmp_path / "join.log"
        )
        joining.start()
        assert joining.process is not None
        assert joining.process.wait(30) == 0, joining.said()
        arguments = ["run", f"--home={home}", "--allow-network=127.0.0.0/8", "--log-level=debug"]
        agent = Program("agent", arguments, tmp_path / "agent.log")
        ready = lambda: "agent_started" in agent.said()  # noqa: E731
        stack.enter_context(running(agent, ready=ready, what="the agent"))
        for options in ([f"--secret-header=X-Key={tmp_path / 'key'}"], [], ["--contains=x"]):
            where = [f"--database={collector.url}", f"--home={tmp_path}", "--interval=1s"]
            added = CliRunner().invoke(main, ["monitor", "add", guarded, *options, *where])
            assert added.exit_code == 0, added.output
        wait_until(lambda: len(outcomes(collector)) == 3, seconds=30, what="a result of each")
        assert outcomes(collector) == {1: {"up"}, 2: {"down"}, 3: {"down"}}
        # What it leaves in files: the agent's directory and every log; the key is in none either.
        (key,) = (tmp_path / "secret.key").read_text().split()
        kept = home / "assignments.bin"
        assert kept.stat().st_mode & 0o777 == 0o600
        assert guarded.encode() in kept.read_bytes()
        given = {tmp_path / "key", tmp_path / "secret.key"}
        files = {each for each in tmp_path.rglob("*") if each.is_file()} - given
        assert {"agent.log", "collector.log", "assignments.bin"} <= {each.name for each in files}
        for file in files:
            assert SECRET.encode() not in file.read_bytes(), file
            assert key.encode() not in file.read_bytes(), file
        # ... in the process list and the environments,
        for process in (agent, collector.program):
            for part in ("cmdline", "environ"):
                assert SECRET.encode() not in Path(f"/proc/{process.pid}/{part}").read_bytes()
        # ... and in the database.
        with psycopg.connect(database.url()) as connection:
            tables = connection.execute(
                "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace"
                "::regnamespace::text IN ('vantage', 'report', '_timescaledb_internal')"
            ).fetchall()
            assert len(tables) > 10
            for (table,) in tables:
                with connection.cursor().copy(f"COPY {table} TO STDOUT".encode()) as copy:
                    assert SECRET.encode() not in b"".join(map(bytes, copy)), table
