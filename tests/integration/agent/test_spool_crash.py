"""The spool against real deaths of processes and real errors of the kernel."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from agent.spool import Spool
from tests.support.spool_writer import payload


def run(*arguments: str) -> str:
    command = [sys.executable, "-m", "tests.support.spool_writer", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read_all(directory: Path) -> list[bytes]:
    spool = Spool(directory)
    found: list[bytes] = []
    incarnation = spool.incarnations[0]
    while part := spool.read(incarnation, len(found) + 1, max_results=1000, max_bytes=512 * 1024):
        found += part
    return found


def test_nothing_durable_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    lines = run("kill", str(tmp_path), "200").splitlines()
    assert len(lines) == 200
    for line in lines:
        place, durable = line.split()
        found = read_all(Path(place))
        assert len(found) >= int(durable)
        assert found == [payload(seq) for seq in range(1, len(found) + 1)]


def test_a_write_cut_short_by_the_kernel_goes_on_in_a_new_file(tmp_path: Path) -> None:
    assert run("full", str(tmp_path), "10000").splitlines()[-1] == "300"
    segments = sorted(tmp_path.glob("*/*.seg"))
    assert len(segments) > 3
    assert any(path.stat().st_size == 10_000 for path in segments), "no write was cut short"
    assert read_all(tmp_path) == [payload(seq) for seq in range(1, 301)]
