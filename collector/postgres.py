"""PostgreSQL's programs on this machine: where they are, and whether timescaledb is with them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OLDEST_POSTGRES = 15
OLDEST_TIMESCALEDB = (2, 14)

# Debian's, PGDG's on Red Hat, and Homebrew's places; pg_config on PATH may name another.
BIN_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
)


@dataclass(frozen=True, slots=True)
class Server:
    """The programs of one PostgreSQL with timescaledb; ``major`` as in 17."""

    bin: Path
    major: int

    @property
    def is_full_edition(self) -> bool:
        """Whether its timescaledb has more than the Apache edition: jobs, compression."""
        return any((self.bin.parent / "lib").glob("timescaledb-tsl-*.so"))

    def program(self, name: str) -> str:
        """Return the path of a program: postgres, initdb, psql."""
        return str(self.bin / name)


def installed_server(major: int | None = None) -> Server | None:
    """Find an installed PostgreSQL that can serve us, the newest first.

    ``major``: only this version, the one that a data directory was made with.
    """
    servers = [server for bin_folder in _bin_folders() if (server := server_in(bin_folder))]
    fitting = [server for server in servers if major in (None, server.major)]
    return max(fitting, key=lambda server: server.major, default=None)


def server_in(bin_folder: Path) -> Server | None:
    """Return the server whose programs are in this folder. None: none that can serve us."""
    if not all((bin_folder / name).is_file() for name in ("postgres", "initdb", "pg_config")):
        return None
    said = _output([str(bin_folder / "pg_config"), "--version", "--sharedir"]).splitlines()
    version = re.match(r"PostgreSQL (\d+)", said[0]) if len(said) == 2 else None
    if version is None or int(version[1]) < OLDEST_POSTGRES:
        return None
    if timescaledb_version(Path(said[1])) < OLDEST_TIMESCALEDB:
        return None
    return Server(bin_folder, int(version[1]))


def timescaledb_version(share: Path) -> tuple[int, ...]:
    """Return the extension's version from its control file; empty: it is not there."""
    try:
        control = (share / "extension" / "timescaledb.control").read_text()
    except OSError:
        return ()
    version = re.search(r"^default_version\s*=\s*'(\d+)\.(\d+)", control, re.MULTILINE)
    return (int(version[1]), int(version[2])) if version else ()


def _bin_folders() -> Iterator[Path]:
    for pattern in BIN_FOLDERS:
        yield from Path("/").glob(pattern.lstrip("/"))
    if shutil.which("pg_config"):
        said = _output(["pg_config", "--bindir"]).strip()
        if said:
            yield Path(said)


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
