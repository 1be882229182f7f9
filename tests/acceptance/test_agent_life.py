"""An agent's life as its operator sees it: it joins, is cut off, comes back, and keeps its secrets.

Real processes, and the commands that docs/agents.md names.
"""

from __future__ import annotations

import json
import os
import re
import socketserver
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.support.collector import Collector, configure, fetch, running_collector
from tests.support.database import Database
from tests.support.processes import Program, answers, free_port, has_ended, running, wait_until

# docs/agents.md promises 5; what is more leaves room for a busy machine.
REVOKED_S = 20


@dataclass
class Centre:
    """A collector, and the operator's tool on its database."""

    collector: Collector
    directory: Path

    def vantage(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "collector.operator", *arguments]
        return subprocess.run(
            [*command, f"--database={self.collector.url}"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout.strip()

    def token(self, *arguments: str) -> str:
        address = f"127.0.0.1:{self.collector.enrolment_port}"
        return self.vantage("agent", "token", *arguments, f"--collector={address}")

    @property
    def home(self) -> Path:
        return self.directory / "agent"

    def join(self, token: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "agent", "join", "-", f"--home={self.home}", *arguments]
        return subprocess.run(command, input=token, capture_output=True, text=True, timeout=60)

    def agent(self) -> Program:
        options = ["run", f"--home={self.home}", "--allow-network=127.0.0.0/8"]
        return Program("agent", options, self.directory / "agent.log")

    @property
    def agent_id(self) -> str:
        return str(json.loads((self.home / "agent.json").read_text())["agent_id"])

    def results(self) -> list[dict[str, object]]:
        statement = "SELECT DISTINCT agent_id::text FROM vantage.results"
        return fetch(self.collector.url, statement)


@pytest.fixture
def centre(database: Database, tmp_path: Path) -> Iterator[Centre]:
    configure(database.url(), monitors=1)
    fetch(database.url(), "UPDATE vantage.monitors SET interval_s = 1 RETURNING id")
    with running_collector(database.url(role="vantage_collector"), tmp_path) as collector:
        yield Centre(collector, tmp_path)


def test_after_its_certificate_expired_an_agent_stays_itself(centre: Centre) -> None:
    assert centre.join(centre.token("--location=a")).returncode == 0
    agent_id = centre.agent_id
    program = centre.agent()
    with running(program, ready=lambda: '"monitors": 1' in program.said(), what="the agent"):
        centre.collector.program.kill()  # results pile up
        spool = centre.home / "spool"
        wait_until(lambda: sum(f.stat().st_size for f in spool.glob("*/*.seg")), what="results")
    # As if a week had passed.
    identity = json.loads((centre.home / "agent.json").read_text())
    identity["certificate_expires_at_s"] = int(time.time()) - 1
    (centre.home / "agent.json").write_text(json.dumps(identity))
    late = centre.agent()
    late.start()
    wait_until(lambda: has_ended(late), what="its end")
    [remedy] = re.findall(r"vantage agent token (--agent [0-9a-f-]+)", late.said().splitlines()[-1])
    collector = centre.collector
    ready = lambda: answers(collector.port) and answers(collector.enrolment_port)  # noqa: E731
    with running(collector.program, ready=ready, what="the collector"):
        joined = centre.join(centre.token(*remedy.split()))
        assert joined.returncode == 0, joined.stderr
        assert f"Joined as agent {agent_id} at location a again" in joined.stdout
        with running(centre.agent(), ready=centre.results, what="the results' delivery"):
            assert centre.results() == [{"agent_id": agent_id}]


def test_a_revoked_agent_ends_within_seconds(centre: Centre) -> None:
    assert centre.join(centre.token("--location=a")).returncode == 0
    program = centre.agent()
    with running(program, ready=centre.results, what="the first result"):
        centre.vantage("agent", "revoke", centre.agent_id)
        revoked_s = time.monotonic()
        wait_until(lambda: has_ended(program), what="its end")
        assert time.monotonic() - revoked_s < REVOKED_S
        assert program.process is not None
        assert program.process.returncode == 1
    assert "This agent was revoked" in program.said()


def test_secrets_stay_where_they_belong(centre: Centre) -> None:
    token = centre.token("--location=a")
    secret = token.partition(".")[0]
    joined = centre.join(token)
    assert joined.returncode == 0
    program = centre.agent()
    with running(program, ready=centre.results, what="the first result"):
        for process in (program, centre.collector.program):
            for name in ("cmdline", "environ"):
                assert secret.encode() not in Path(f"/proc/{process.pid}/{name}").read_bytes()
    written = [program.said(), centre.collector.program.said(), joined.stdout, joined.stderr]
    assert not [text for text in written if secret in text or "PRIVATE KEY" in text]
    dump = fetch(
        centre.collector.url, "SELECT enrolment_tokens::text FROM vantage.enrolment_tokens"
    )
    assert secret not in str(dump)
    assert secret.encode().hex() not in str(dump)
    for key in (centre.home / "agent.key", centre.directory / "authority" / "authority.key"):
        assert b"PRIVATE KEY" in key.read_bytes()
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700


def test_an_agent_shows_what_it_does_to_prometheus(centre: Centre) -> None:
    assert centre.join(centre.token("--location=a")).returncode == 0
    program, port = centre.agent(), free_port()
    program.command.append(f"--metrics-listen=:{port}")

    def shows(name: str) -> float:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        return next((float(line.split()[1]) for line in lines if line.startswith(name + " ")), 0.0)

    with running(program, ready=centre.results, what="the first result"):
        wait_until(lambda: shows("vantage_agent_clock_uncertainty_seconds"), what="its clock")
        # One machine, one clock.
        offset_s = shows("vantage_agent_clock_offset_seconds")
        assert abs(offset_s) <= shows("vantage_agent_clock_uncertainty_seconds")
        assert shows('vantage_agent_probes_total{outcome="down"}') >= 1  # nobody listens at port 1
        assert shows("vantage_agent_delay_seconds_count") >= 1
        assert shows("vantage_agent_connected") == 1
        assert shows("vantage_agent_certificate_expires_seconds") > time.time() + 86_400
    assert has_ended(program)


def doctor(centre: Centre, *arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Return its exit code and its findings, by what they are about."""
    command = [sys.executable, "-m", "agent", "doctor", "--json", f"--home={centre.home}"]
    ran = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60)
    assert not ran.stderr, ran.stderr
    return ran.returncode, {found["about"]: found for found in json.loads(ran.stdout)}


def test_a_doctor_looks_before_joining_and_after(centre: Centre) -> None:
    _, found = doctor(centre, f"--collector=127.0.0.1:{centre.collector.enrolment_port}")
    assert (found["identity"]["status"], found["collector"]["status"]) == ("warning", "ok")
    assert found["clock"]["status"] == "ok"
    assert "vantage-agent join" in found["identity"]["remedy"]
    assert not centre.home.exists()
    assert centre.join(centre.token("--location=a")).returncode == 0
    _, found = doctor(centre)
    expected = "identity certificate dns collector clock ntp disk ipv6 ping cpu"
    assert list(found) == expected.split()
    for about in ("identity", "certificate", "collector", "clock", "disk"):
        assert found[about]["status"] == "ok", found[about]
    assert "Valid for 7.0 days" in found["certificate"]["found"]
    assert all(each["remedy"] for each in found.values() if each["status"] != "ok")


class SpeaksNoTls(socketserver.BaseRequestHandler):
    """Answers whatever it is sent as a mail server would."""

    def handle(self) -> None:
        self.request.recv(65_536)
        self.request.sendall(b"500 unrecognized command\r\n")


def test_a_doctor_finds_what_is_wrong(centre: Centre) -> None:
    assert centre.join(centre.token("--location=a")).returncode == 0
    (centre.home / "agent.key").chmod(0o644)
    code, found = doctor(centre, f"--collector=127.0.0.1:{free_port()}")
    assert code == 1
    assert found["certificate"]["status"] == "problem"
    assert found["certificate"]["remedy"] == f"chmod 600 {centre.home}/agent.key"
    assert found["collector"]["status"] == "problem"
    assert "port" in found["collector"]["remedy"]
    with socketserver.TCPServer(("127.0.0.1", 0), SpeaksNoTls) as other:
        threading.Thread(target=other.handle_request).start()
        _, found = doctor(centre, f"--collector=127.0.0.1:{other.server_address[1]}")
    assert found["collector"]["status"] == "problem"
    identity = json.loads((centre.home / "agent.json").read_text())
    identity["certificate_expires_at_s"] = int(time.time()) - 1
    (centre.home / "agent.json").write_text(json.dumps(identity))
    code, found = doctor(centre)
    assert code == 1
    assert "vantage agent token --agent" in found["certificate"]["found"]


def test_what_root_does_belongs_to_the_services_user(centre: Centre) -> None:
    owner = 12345 if os.geteuid() == 0 else os.geteuid()
    centre.home.mkdir(mode=0o700)
    os.chown(centre.home, owner, -1)
    assert centre.join(centre.token("--location=a")).returncode == 0
    assert {path.stat().st_uid for path in centre.home.rglob("*")} == {owner}
