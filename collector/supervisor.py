"""Keeps child processes running: starts, restarts what dies, and ends them in order."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

RESTART_S = (0.2, 0.5, 1.0, 2.0, 5.0)
STOP_S = 10.0
# A process that lived this long was well; its next death counts as its first.
WELL_AFTER_S = 30.0


@dataclass(slots=True, eq=False)
class Child:
    """One program of ours, restarted whenever it ends before it is stopped."""

    name: str
    command: Sequence[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    restarts: int = 0
    stopping: bool = False
    log_from: int = field(init=False)

    def __post_init__(self) -> None:
        """What the log holds already was written by those before."""
        self.log.touch()
        self.log_from = self.log.stat().st_size

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    def last_words(self) -> str:
        """Return a sentence: where the log is, and the last line that this program wrote."""
        with self.log.open("rb") as log:
            log.seek(self.log_from)
            lines = log.read().decode(errors="replace").strip().splitlines()
        said = f"ends with: {lines[-1]}" if lines else "has nothing new"
        return f"Its log, {self.log}, {said}"

    async def run(self) -> None:
        """Run the program until ``stop``; between two starts wait ever longer, up to 5 s."""
        loop = asyncio.get_running_loop()
        deaths = 0
        while not self.stopping:
            began = loop.time()
            await self.start()
            assert self.process is not None  # noqa: S101 - start sets it
            await self.process.wait()
            if self.stopping:
                return
            self.restarts += 1
            deaths = 0 if loop.time() - began > WELL_AFTER_S else deaths + 1
            await asyncio.sleep(RESTART_S[min(deaths, len(RESTART_S) - 1)])

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *dies_with_us(),
                *self.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment or None,
                # Ctrl-C is for us; we end the children in order.
                start_new_session=True,
            )

    async def stop(self) -> None:
        """Ask the program to end (SIGTERM); after STOP_S make it."""
        self.stopping = True
        if self.process is None or self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


def dies_with_us() -> list[str]:
    """Return a prefix for commands that shall get SIGTERM when we are killed outright."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
