"""The server process of a data directory, found from outside: is it there, is it ready, end it.

Process ids are reused, so the one in postmaster.pid counts only while that process works in the
data directory, as every PostgreSQL process does.
Source: PostgreSQL's src/include/utils/pidfile.h for the lines of postmaster.pid.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from collector.errors import CollectorError

PID_LINE = 0
STATUS_LINE = 7

# Fast shutdown ends connections and writes everything down; immediate leaves that to recovery.
SHUTDOWNS = ((signal.SIGINT, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, 10))  # seconds each
REMAINS_S = 10
POLL_S = 0.02


def find(data: Path) -> int | None:
    """Return the id of the server process of a data directory; None: none runs."""
    line = _line(data, PID_LINE)
    return int(line) if line.isdecimal() and _works_in(int(line), data) else None


def is_ready(data: Path) -> bool:
    """Tell whether the server takes connections."""
    return find(data) is not None and _line(data, STATUS_LINE) == "ready"


def end(data: Path) -> None:
    """End the server, the gentle way first. Returns when it is gone."""
    pid = find(data)
    if pid is None:
        return
    for shutdown, patience_s in SHUTDOWNS:
        with suppress(ProcessLookupError):
            os.kill(pid, shutdown)
        if _until(lambda: find(data) != pid, patience_s):
            return
    raise CollectorError(f"The database server, process {pid}, cannot be ended.")


def clear_remains(data: Path) -> None:
    """Let the children of a killed server end, and forget it: its id may be another's by now.

    PostgreSQL would refuse to start while either is there. A child looks for its server only
    between two parts of its work, so one that is still there after ``REMAINS_S`` is killed.
    """
    if not _until(lambda: not _remains(data), REMAINS_S):
        for pid in filter(_is_child, _remains(data)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not _until(lambda: not _remains(data), REMAINS_S):
            raise CollectorError(f"Processes of a killed database server still work in {data}.")
    (data / "postmaster.pid").unlink(missing_ok=True)


def _remains(data: Path) -> list[int]:
    return [pid for pid in _pids() if _works_in(pid, data)]


def _is_child(pid: int) -> bool:
    """Tell whether a process is named as a server's children are, not somebody's shell."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(word.startswith(b"postgres: ") for word in words)


def _line(data: Path, number: int) -> str:
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return ""
    return lines[number].strip() if number < len(lines) else ""


def _works_in(pid: int, data: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").samefile(data) and not _is_zombie(pid)
    except OSError:  # gone, or another user's
        return False


def _is_zombie(pid: int) -> bool:
    # The name before the state is in parentheses and may hold any character.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _until(is_so: Callable[[], bool], patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
