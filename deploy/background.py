"""Commands of this machine that go on until they are asked to end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.command import LAST_LINES, CommandError

STOP_S = 20.0
WAIT_S = 180.0
POLL_S = 0.1


class Background:
    """A process group of our own, and what it said."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    def wait_for(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds. Raises: CommandError when it ends first, or never does.

        The message holds its last words.
        """
        deadline = time.monotonic() + WAIT_S
        while not condition():
            if self.process.poll() is not None:
                raise CommandError(f"The {self.name} ended before {what}:\n{self.last_words()}")
            if time.monotonic() > deadline:
                raise CommandError(f"No {what} within {WAIT_S:g} s:\n{self.last_words()}")
            time.sleep(POLL_S)

    def stop(self) -> None:
        """End the whole group, gently if it listens."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                os.killpg(self.process.pid, number)
                try:
                    self.process.wait(STOP_S)
                except subprocess.TimeoutExpired:
                    continue

    def last_words(self) -> str:
        """Return the end of what it printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LAST_LINES:])


@contextmanager
def background(name: str, command: Sequence[str], folder: Path) -> Iterator[Background]:
    """Run a command meanwhile; its output goes to a file in ``folder``."""
    running = Background(name, command, folder / f"{name}.log")
    try:
        yield running
    finally:
        running.stop()
