"""vantage-agent as a real process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from agent.home import Home
from agent.spool import Spool
from tests.support.delivery_server import DeliveryServer
from tests.support.spooling import drain
from vantage.v1 import monitor_pb2, result_pb2

COMMAND = [sys.executable, "-m", "agent"]


def agent(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env=os.environ | environment,
        check=False,
    )


async def agent_beside(*arguments: str, stdin: str | None = None) -> tuple[int, str, str]:
    """Run while this loop serves."""
    pipe = asyncio.subprocess.PIPE
    # No pipe without need: the process may end before anything, even nothing, is written to it.
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL if stdin is None else pipe,
        stdout=pipe,
        stderr=pipe,
    )
    async with asyncio.timeout(60):
        output, errors = await process.communicate(None if stdin is None else stdin.encode())
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


@asynccontextmanager
async def running(home: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    with (home / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            "run",
            f"--home={home}",
            "--allow-network=127.0.0.0/8",
            *arguments,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until(condition: Callable[[], object], what: str, limit_s: float = 30) -> None:
    try:
        async with asyncio.timeout(limit_s):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"not in {limit_s} s: {what}")


async def ended(process: asyncio.subprocess.Process, limit_s: float = 20) -> int:
    async with asyncio.timeout(limit_s):
        return await process.wait()


def events(home: Path) -> list[dict[str, object]]:
    """The log; every line of it is JSON."""
    lines = (home / "log").read_text().splitlines()
    return [json.loads(line) for line in lines if not line.startswith("Error: ")]


@pytest.fixture
async def server() -> AsyncIterator[DeliveryServer]:
    async with DeliveryServer() as server:
        yield server


@pytest.fixture
async def target() -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            status = b"503 No" if b"/down" in head else b"200 OK"
            writer.write(b"HTTP/1.1 %b\r\nContent-Length: 2\r\n\r\nok" % status)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"


def assign(server: DeliveryServer, url: str, monitors: int, interval_us: int = 1_000_000) -> None:
    del server.assignments.assignments[:]
    for number in range(monitors):
        monitor = monitor_pb2.Monitor(
            id=number + 1, url=url, interval_us=interval_us, timeout_us=1_000_000
        )
        offset_us = number * interval_us // monitors
        server.assignments.assignments.add(monitor=monitor, offset_us=offset_us)


def results(server: DeliveryServer) -> list[result_pb2.Result]:
    return [result_pb2.Result.FromString(payload) for payload in server.results]


async def test_joined_and_run_it_delivers_what_it_measures(
    server: DeliveryServer, target: str, tmp_path: Path
) -> None:
    assign(server, target, 20)
    odd = monitor_pb2.Monitor(id=99, url=target, interval_us=1_000_000, kind="of a later version")
    server.assignments.assignments.add(monitor=odd)
    code, output, errors = await agent_beside(
        "join", "-", f"--home={tmp_path}", "--name=one", stdin=server.token + "\n"
    )
    assert (code, errors) == (0, "")
    assert "Joined as agent" in output
    assert server.names == ["one"]
    async with running(tmp_path) as process:
        await until(lambda: len(server.results) > 40, "results")
        process.terminate()
        assert await ended(process) == 0
    measured = [result for result in results(server) if not result.HasField("missed")]
    assert {result.outcome for result in measured} == {result_pb2.OUTCOME_UP}
    slots = Counter((result.monitor_id, result.slot_at_us) for result in measured)
    assert set(slots.values()) == {1}
    # What it cannot run keeps it from nothing else, and is told of.
    [missed] = [result for result in results(server) if result.HasField("missed")]
    assert (missed.monitor_id, missed.missed.reason) == (99, "monitor_unusable")
    assert missed.missed.slots >= 1
    [event] = server.events
    assert (event.kind, event.detail[:11]) == ("monitor_unusable", "monitor 99:")
    names = [event["event"] for event in events(tmp_path)]
    assert names[-1] == "agent_stopped"
    assert "batch_sent" not in names  # debug only
    assert all(
        event["agent_id"] == Home(tmp_path).identity().agent_id for event in events(tmp_path)
    )


async def test_stopping_waits_for_probes_in_flight_and_delivers_them(
    server: DeliveryServer, tmp_path: Path
) -> None:
    asked = 0

    async def think(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        asked += 1
        await asyncio.sleep(0.8)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    server.enrol(Home(tmp_path))
    async with await asyncio.start_server(think, "127.0.0.1", 0) as slow:
        url = f"http://127.0.0.1:{slow.sockets[0].getsockname()[1]}/"
        assign(server, url, 5, 2_000_000)
        async with running(tmp_path) as process:
            await until(lambda: asked, "a request")
            process.send_signal(signal.SIGINT)
            assert await ended(process) == 0
    assert [result.outcome for result in results(server)] == [result_pb2.OUTCOME_UP] * asked


async def test_killed_in_the_middle_nothing_durable_is_lost_and_nothing_doubled(
    server: DeliveryServer, target: str, tmp_path: Path
) -> None:
    assign(server, target, 200)
    server.enrol(Home(tmp_path))
    server.orders.silent_streams = 1  # the first start can deliver nothing for good
    durable: dict[bytes, list[bytes]] = {}
    for number in range(4):
        async with running(tmp_path) as process:
            wanted = len(server.results) + 100 if number else 0

            def is_there(wanted: int = wanted) -> bool:
                return len(server.results) >= wanted and bool(on_disk(tmp_path))

            await until(is_there, "results")
            await asyncio.sleep(0.7)
            process.kill()
            await ended(process)
        spool = Spool(tmp_path / "spool")
        for incarnation in spool.incarnations[:-1]:
            durable[incarnation.id] = drain(spool, incarnation)
    server.assignments.Clear()
    (tmp_path / "assignments.bin").unlink()
    async with running(tmp_path) as process:
        await until(lambda: set(server.closed) >= durable.keys(), "the old ones delivered")
        process.terminate()
        assert await ended(process) == 0
    assert sum(map(len, durable.values())) > 300
    for identity, expected in durable.items():
        assert server.stored[identity] == expected  # numbered without a hole, from 1
    assert server.counts["gaps"] == 0
    slots = Counter((result.monitor_id, result.slot_at_us) for result in results(server))
    assert set(slots.values()) == {1}


def on_disk(home: Path) -> bool:
    return any(path.stat().st_size for path in home.glob("spool/*/*.seg"))


async def test_it_goes_on_measuring_while_the_collector_is_away(
    server: DeliveryServer, target: str, tmp_path: Path
) -> None:
    assign(server, target, 20)
    server.enrol(Home(tmp_path))
    async with running(tmp_path) as process:
        await until(lambda: server.results, "a result")
        process.kill()
        await ended(process)
    await server.stop()
    async with running(tmp_path) as process:
        await until(lambda: len(list(tmp_path.glob("spool/*/*.seg"))) == 2, "a second incarnation")
        await asyncio.sleep(1)
        await server.start()
        await until(lambda: len(server.stored) == 2, "both delivered")
        process.terminate()
        assert await ended(process) == 0


async def test_a_revoked_agent_says_so_and_stops(server: DeliveryServer, tmp_path: Path) -> None:
    import grpc

    server.orders.refusal = (grpc.StatusCode.PERMISSION_DENIED, "This agent was revoked.")
    server.enrol(Home(tmp_path))
    async with running(tmp_path) as process:
        assert await ended(process) == 1
    last = (tmp_path / "log").read_text().splitlines()[-1]
    assert last.startswith("Error: ")
    assert last.endswith("refuses this agent: This agent was revoked.")


async def test_a_bug_in_a_thread_ends_the_process(
    server: DeliveryServer, target: str, tmp_path: Path
) -> None:
    """A result that cannot be encoded is none of anybody's business but ours."""
    assign(server, target, 1)
    server.enrol(Home(tmp_path))
    program = (
        "from agent import cli, wire\n"
        "def encode(result): raise ZeroDivisionError('a bug')\n"
        "wire.encode = encode\n"
        f"cli.main(['run', '--home={tmp_path}'])\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        _, errors = await process.communicate()
    assert process.returncode == 70
    crash = json.loads(errors.splitlines()[-1])
    assert crash["event"] == "agent_crashed"
    assert "ZeroDivisionError: a bug" in crash["exception"]


async def test_joining_again_needs_replace_and_keeps_old_results(
    server: DeliveryServer, tmp_path: Path
) -> None:
    former = server.enrol(Home(tmp_path))
    Spool(Home(tmp_path).claim_spool(former.agent_id)).append([b"undelivered"])
    code, _, errors = await agent_beside("join", server.token, f"--home={tmp_path}")
    assert code == 1
    assert errors.startswith("Error: ")
    assert "is an agent already" in errors
    assert "--replace" in errors
    code, output, _ = await agent_beside("join", server.token, f"--home={tmp_path}", "--replace")
    assert code == 0
    assert f"spool-of-{former.agent_id}" in output
    assert Home(tmp_path).identity().agent_id != former.agent_id


async def test_joining_again_as_the_same_agent_keeps_its_results(
    server: DeliveryServer, tmp_path: Path
) -> None:
    """Its certificate has expired; the token is for that agent."""
    former = server.enrol(Home(tmp_path), age=timedelta(days=8))
    Spool(Home(tmp_path).claim_spool(former.agent_id)).append([b"undelivered"])
    code, _, errors = await agent_beside("run", f"--home={tmp_path}")
    assert code == 1
    assert f"vantage agent token --agent {former.agent_id}" in errors
    server.bound_to = former.agent_id
    code, output, _ = await agent_beside("join", server.token, f"--home={tmp_path}")
    assert code == 0
    assert f"Joined as agent {former.agent_id} at location test again" in output
    async with running(tmp_path):
        await until(lambda: b"undelivered" in server.results, "the result")


async def test_a_second_agent_in_the_same_home_is_refused(
    server: DeliveryServer, tmp_path: Path
) -> None:
    server.enrol(Home(tmp_path))
    async with running(tmp_path) as process:
        await until(lambda: server.hellos, "a connection")
        code, _, errors = await agent_beside("run", f"--home={tmp_path}")
        assert code == 1
        assert f"already running (pid {process.pid})" in errors


async def test_a_spool_of_another_agent_is_refused(server: DeliveryServer, tmp_path: Path) -> None:
    home = Home(tmp_path)
    Spool(home.claim_spool("someone-else")).append([b"result"])
    server.enrol(home)
    code, _, errors = await agent_beside("run", f"--home={tmp_path}")
    assert code == 1
    assert "holds results of agent someone-else" in errors


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["join"], 2, "Give the token"),
        (["join", "nonsense"], 1, "The token has no @"),
        (["join", "--token-file", "/nonexistent"], 1, "/nonexistent cannot be read: No such"),
        (["run"], 1, "is no agent's home yet"),
        (["run", "--collector", "host"], 2, "not HOST:PORT"),
        (["run", "--allow-network", "10.0.0.1/8"], 2, "has host bits set"),
        (["run", "--source-address", "here"], 2, "'here' does not appear to be"),
        (["run", "--spool-limit", "1X"], 2, "write it like 500M"),
        (["run", "--trust-ca", "/nonexistent"], 2, "/nonexistent"),
        (["probe", "gopher://x/"], 2, "gopher"),
        (["probe", "not a url"], 2, "not a url"),
        (["probe", "http://x/", "--method=BREW"], 2, "'BREW' is not one of 'get'"),
        (["probe", "http://x/", "--body=a", "--body-file=b"], 2, "give one of them"),
        (["probe", "http://x/", "--body-file=/nonexistent"], 2, "be read from /nonexistent: No"),
        (["probe", "https://x/", "--ca-file=/etc/hosts"], 2, "--ca-file /etc/hosts holds no PEM."),
        (["probe", "http://x/", "--connect-to=y"], 2, "'y' is no address to connect to"),
        (["probe", "http://x/", "--timeout=2m"], 2, "2m is not within 0.1s and 60s."),
        (["probe", "http://x/", "--phase-timeout=nap=1s"], 2, "of dns, connect"),
        (["probe", "http://x/", "--min-bytes=2", "--max-bytes=1"], 2, "at least 2 and at most 1"),
        (["probe", "http://x/", "--network=192.0.2.1/24"], 2, "write it like 192.0.2.0/24"),
        (["probe", "http://x/", "--header=A"], 2, "write 'Name: value'"),
        (["probe", "http://x/", "--status=2xx"], 2, "write them like 200-299,304"),
        (["probe", "http://x/", "--expect-header=:"], 2, "'Name ~ regex'"),
        (["probe", "http://x/", "--matches=("], 2, "missing ): ("),
        (["probe", "http://x/", "--json-path=$..a=1"], 2, "not supported"),
        (["probe", "http://x/", "--json-path=$.a"], 2, "write it like '$.status=ok'"),
        (["probe", "http://x/", "--cert-days=soon"], 2, "such as 14 or 3:down"),
        (["probe", "http://x/", "--limit=wait"], 2, "like total=800ms"),
        (["probe", "http://x/", "--limit=naps=1s"], 2, "'naps' is none of total"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], code: int, words: str, tmp_path: Path
) -> None:
    done = agent(*arguments, VANTAGE_AGENT_HOME=str(tmp_path))
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


async def test_an_unwritable_home_is_a_sentence(server: DeliveryServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, errors = await agent_beside("join", server.token, f"--home={tmp_path}/file/home")
    assert code == 1
    assert "Cannot write to" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("home", ["empty", "missing", "file/home"])
def test_a_home_that_is_nobodys_is_left_as_it_is(home: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    before = sorted(tmp_path.rglob("*"))
    done = agent("run", f"--home={tmp_path / home}")
    assert done.returncode == 1
    assert f"{tmp_path / home} is no agent's home yet. Join first" in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_every_option_of_run_reads_the_environment() -> None:
    shown = " ".join(agent("run", "--help").stdout.split())
    names = "HOME COLLECTOR ALLOW_NETWORK SOURCE_ADDRESS TRUST_CA MAX_IN_FLIGHT SPOOL_LIMIT"
    for name in [*names.split(), "METRICS_LISTEN", "LOG_LEVEL"]:
        assert f"VANTAGE_AGENT_{name}" in shown.replace("_ ", "_")
    assert "VANTAGE_TOKEN" in agent("join", "--help").stdout


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys\nfrom agent.cli import main\n"
        "main(['run', '--help'], standalone_mode=False)\n"
        "print(sorted({'grpc', 'pycurl', 'cryptography', 'dns', 'structlog'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_version() -> None:
    assert agent("--version").stdout.startswith("vantage-agent, version ")


async def test_one_probe_is_shown(target: str) -> None:
    code, output, errors = await agent_beside("probe", target)
    assert (code, errors) == (0, "")
    assert "200" in output
    code, output, _ = await agent_beside("probe", target + "down", "--json")
    assert code == 1
    assert json.loads(output)["outcome"] == "down"
    code, output, _ = await agent_beside("probe", target, "--json", "--slow", "0")
    assert code == 0


async def test_one_probe_is_held_against_what_is_expected(target: str) -> None:
    asked = ["--method=put", "--body=x", "--header=A: b", "--ip-version=4", "--http-version=1.1"]
    holds = ["--status=200", "--contains=ok", "--matches=^o", "--expect-header=Content-Length: 2"]
    limits = ["--limit=total=10s:down", "--limit=wait=1ms:degraded", "--no-compression"]
    code, output, errors = await agent_beside("probe", target, *asked, *holds, *limits)
    assert (code, errors) == (0, "")
    code, output, _ = await agent_beside("probe", target, "--json", "--json-path=$.a=1")
    assert code == 1
    assert json.loads(output)["failure"] == "assertion_json"
    where = [f"--final-url={target}", "--network=127.0.0.0/8", "--expect-http-version=1.1"]
    code, _, errors = await agent_beside("probe", target, *where, "--min-bytes=2", "--max-bytes=2")
    assert (code, errors) == (0, "")
    where = [f"--final-url={target}x", "--network=192.0.2.0/24", "--expect-http-version=2"]
    code, output, _ = await agent_beside("probe", target, "--json", *where, "--min-bytes=3")
    assert code == 1
    for words in ("final URL", "address in 192.0.2.0/24", "HTTP version 2", "at least 3 bytes"):
        assert words in json.loads(output)["detail"]
    code, output, _ = await agent_beside("probe", target, "--json", "--cert-days=3")
    assert code == 0
    assert json.loads(output)["outcome"] == "degraded"
