"""An agent whose wall clock can be set: the file VANTAGE_CLOCK says how far it is ahead, in us."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from agent.cli import main

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
    main(prog_name="vantage-agent")
