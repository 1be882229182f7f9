"""Programs under test as real processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], object], *, seconds: float = 60, what: str) -> None:
    """Wait for a condition; fail naming what never came.

    Asking costs, often a connection to the database: the longer it takes, the less often.
    """
    deadline, pause_s = time.monotonic() + seconds, 0.02
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.2, 0.2)


class Program:
    """One process of ours; its stderr goes to a file that a failing test can show."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.command = [sys.executable, "-m", module, *arguments]
        self.log = log
        self.environment = {**os.environ, **(environment or {})}
        self.process: subprocess.Popen[bytes] | None = None
        self._said_before = 0

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._said_before = log.tell()
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, env=self.environment
            )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """End it as a power cut would."""
        self.signal(signal.SIGKILL)

    def stop(self) -> int:
        """End it as an operator would; return its exit code."""
        return self.signal(signal.SIGTERM)

    def signal(self, number: signal.Signals) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def said_since_start(self) -> str:
        with self.log.open("rb") as log:
            log.seek(self._said_before)
            return log.read().decode()


@contextmanager
def running(program: Program, *, ready: Callable[[], object], what: str) -> Iterator[Program]:
    """Start a program, wait until it is ready, and end it afterwards."""
    program.start()
    try:
        wait_until(lambda: ready() or has_ended(program), what=what)
        assert not has_ended(program), f"{what} ended: {program.said()}"
        yield program
    finally:
        if not has_ended(program):
            program.stop()


def has_ended(program: Program) -> bool:
    return program.process is None or program.process.poll() is not None


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
