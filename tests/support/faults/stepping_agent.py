"""An agent whose wall clock can be set: the file VANTAGE_CLOCK says how far it is ahead, in us.

With VANTAGE_LOAD it has results besides those that it measures.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import agent.process
from agent.cli import main
from tests.support.faults.load import LoadedWriter

FILE = Path(os.environ["VANTAGE_CLOCK"])
true_time_ns = time.time_ns
ahead_ns = 0


def follow() -> None:
    global ahead_ns
    while True:
        ahead_ns = int(FILE.read_text() or 0) * 1_000 if FILE.exists() else 0
        time.sleep(0.05)


if __name__ == "__main__":
    time.time_ns = lambda: true_time_ns() + ahead_ns
    time.time = lambda: time.time_ns() / 1e9
    threading.Thread(target=follow, name="clock", daemon=True).start()
    if load := os.environ.get("VANTAGE_LOAD"):
        LoadedWriter.file = Path(load)
        agent.process.Writer = LoadedWriter  # type: ignore[attr-defined]
    main(prog_name="vantage-agent")
