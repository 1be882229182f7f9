"""The processes that a campaign kills and freezes, and a supervisor that restarts what dies."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from collector.local_db import LocalDatabase
from tests.support.processes import Program, has_ended

LOOK_EVERY_S = 0.02


class Member:
    """An agent or a collector; ``deaths`` are those that nobody ordered.

    ``before_start`` runs while the process is dead.
    """

    def __init__(self, program: Program, before_start: Callable[[], None] = lambda: None) -> None:
        self.program = program
        self.deaths: list[str] = []
        self.kills = 0
        self.busy = threading.RLock()
        self._before_start = before_start

    def crash(self, down_s: float, while_down: Callable[[], None] = lambda: None) -> bool:
        with self.busy:
            self.program.kill()
            self.kills += 1
            time.sleep(down_s)
            while_down()
            self._before_start()
            self.program.start()
        return True

    def freeze(self, length_s: float, while_frozen: Callable[[], None] = lambda: None) -> bool:
        with self.busy:
            pid = self.program.pid
            if has_ended(self.program):
                return False
            os.kill(pid, signal.SIGSTOP)
            try:
                while_frozen()
                time.sleep(length_s)
            finally:
                os.kill(pid, signal.SIGCONT)
        return True

    def look(self) -> None:
        """Start again what has died by itself."""
        if not self.busy.acquire(blocking=False):
            return
        try:
            if has_ended(self.program):
                assert self.program.process is not None
                said = self.program.said().strip().rpartition("\n")[2]
                # No collector starts without a database; whatever supervises it tries again.
                if "The database does not answer" not in said:
                    code = self.program.process.returncode
                    self.deaths.append(f"{self.program.log.stem} ended with {code}: {said}")
                self._before_start()
                time.sleep(0.1)
                self.program.start()
        finally:
            self.busy.release()


class DatabaseServer:
    """The database's processes: the server and those it forked."""

    def __init__(self, database: LocalDatabase, process: subprocess.Popen[bytes]) -> None:
        self.database = database
        self.process = process

    def crash(self, down_s: float) -> bool:
        self.process.kill()
        self.process.wait()
        time.sleep(down_s)
        self.process = self.database.popen()
        self.database.wait_ready()
        return True

    def freeze(self, length_s: float) -> bool:
        # Each has a session of its own: no signal reaches them all.
        pids = [self.process.pid, *_children(self.process.pid)]
        _signal(pids, signal.SIGSTOP)
        time.sleep(length_s)
        _signal(pids, signal.SIGCONT)
        return True


@contextmanager
def supervised(members: Sequence[Member]) -> Iterator[None]:
    """Restart what dies by itself."""

    def restart() -> None:
        for member in members:
            member.look()

    with repeated("supervisor", restart):
        yield


@contextmanager
def repeated(name: str, work: Callable[[], None]) -> Iterator[None]:
    """Do ``work`` every LOOK_EVERY_S in a thread; raise at the end what ended it before."""
    stopping = threading.Event()
    errors: list[Exception] = []

    def repeat() -> None:
        while not stopping.wait(LOOK_EVERY_S):
            try:
                work()
            except Exception as error:
                errors.append(error)
                return

    thread = threading.Thread(target=repeat, name=name)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
        if errors:
            raise errors[0]


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
