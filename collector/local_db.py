"""The private TimescaleDB of ``vantage up``: its data in the home, its programs in the cache.

It listens on a unix socket in a directory that only its user and root may enter; whoever gets in
is trusted. It never listens on TCP.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TextIO
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql

from collector import postmaster
from collector.db import first_line
from collector.errors import CollectorError
from collector.postgres import Server
from collector.private_server import ensure_server
from collector.progress import Progress
from collector.server_user import ServerUser, server_user

SUPERUSER = "vantage"
DATABASE = "vantage"
PORT = 5432  # no more than a part of the socket's name
SOCKET_PATH_BYTES = 107  # unix(7), less the final NUL
SHORT_PLACE = Path("/tmp")  # noqa: S108  only for a directory that is checked to be ours
ZONE_INFO = Path("/usr/share/zoneinfo")

START_S = 120  # recovery after a crash included
POLL_S = 0.02
LOG_BYTES = 10 * 1024 * 1024  # a longer one is put aside at the next start
CONFIGURATION = "postgresql.conf"

Settings = Mapping[str, str | int]

SETTINGS: Settings = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "max_connections": 100,
    "shared_buffers": "128MB",
    "work_mem": "8MB",
    "max_wal_size": "1GB",
    "wal_compression": "on",
    "max_locks_per_transaction": 256,  # a query over many chunks locks each of them
    "max_worker_processes": 24,
    "jit": "off",  # its compiler is not installed
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}


class LocalDatabase:
    """One PostgreSQL cluster, kept in ``home``/database.

    The folder is the caller's; only the data and the socket in it are the server's user's, which
    for root is another: root must not write where that user could put a link.
    The order of use: initialise, popen, wait_ready, create_database, ..., stop.
    """

    def __init__(self, home: Path, server: Server, *, settings: Settings | None = None) -> None:
        self.server = server
        self.folder = _folder(home)
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self._settings = {**SETTINGS, **(settings or {})}
        self._claim: TextIO | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def initialise(self) -> None:
        """Make the data directory unless it is there, and claim it until ``stop``.

        Raises: CollectorError.
        """
        user = server_user()
        if not (ZONE_INFO / "UTC").exists():
            raise CollectorError(
                f"PostgreSQL needs the machine's time zones, and {ZONE_INFO} holds none: install"
                " the package tzdata."
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o711)
            self._claim = _claim(self.folder)
            self._prepare(user)
        except OSError as error:
            self._give_up_claim()
            raise self._cannot_keep(error) from error
        except BaseException:
            self._give_up_claim()
            raise

    def command(self) -> list[str]:
        """Return the command line of the server, in the foreground."""
        configuration = f"config_file={self.folder / CONFIGURATION}"
        return [self.server.program("postgres"), "-D", str(self.data), "-c", configuration]

    def popen(self) -> subprocess.Popen[bytes]:
        """Start the server, in a process group of its own so that Ctrl-C does not reach it.

        A server that a killed Vantage left behind is stopped first. After the server has died,
        call it again. Raises: CollectorError.
        """
        user = server_user()
        self._end()
        try:
            postmaster.clear_remains(self.data)
            self._make_socket_folder(user)
            self._configure()
            with self._open_log() as log:
                self._process = subprocess.Popen(
                    self.command(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=_environment(),
                    cwd="/",
                    process_group=0,
                    **user.identity,
                )
        except OSError as error:
            raise self._cannot_keep(error) from error
        return self._process

    def wait_ready(self, timeout_s: float = START_S) -> None:
        """Wait until the server that ``popen`` started takes connections.

        Raises: CollectorError when it ends instead, or takes too long.
        """
        deadline = time.monotonic() + timeout_s
        while not postmaster.is_ready(self.data):
            if self._process is None or self._process.poll() is not None:
                raise CollectorError(
                    f"The database server does not start: {self._last_words()}. Its log is"
                    f" {self.log}."
                )
            if time.monotonic() > deadline:
                raise CollectorError(
                    f"The database server is not ready after {timeout_s:g} s. Its log is"
                    f" {self.log}."
                )
            time.sleep(POLL_S)

    def create_database(self) -> None:
        """Make the database unless it is there, and its extension as new as the server's files.

        Raises: CollectorError.
        """
        with psycopg.connect(self.url(database="postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
            if found.fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        # In a session of its own: any other first statement would load the library of the version
        # before, which is gone when newer packages have replaced it.
        with psycopg.connect(self.url(), autocommit=True) as connection:
            try:
                connection.execute("ALTER EXTENSION timescaledb UPDATE")
            except psycopg.errors.UndefinedObject:
                pass  # the first migration creates it
            except psycopg.Error as error:
                raise CollectorError(
                    f"The database's timescaledb cannot be updated: {first_line(error)}."
                ) from error

    def url(self, *, role: str = SUPERUSER, database: str = DATABASE) -> str:
        """Return a libpq URL, over the unix socket."""
        where = {"host": str(self._socket_folder()), "port": PORT, "user": role}
        return f"postgresql:///{database}?{urlencode(where, quote_via=quote)}"

    def is_running(self) -> bool:
        """Tell whether a server, whoever started it, runs on this data."""
        return postmaster.find(self.data) is not None

    def stop(self) -> None:
        """End the server, its connections too, losing nothing, and give up the claim."""
        self._end()
        with suppress(OSError):  # not empty, or already gone
            self._socket_folder().rmdir()
        self._give_up_claim()

    def _end(self) -> None:
        postmaster.end(self.data)
        if self._process is not None:
            self._process.wait()

    def _give_up_claim(self) -> None:
        if self._claim is not None:
            self._claim.close()
            self._claim = None

    def _cannot_keep(self, error: OSError) -> CollectorError:
        return CollectorError(
            f"Cannot keep a database in {self.folder}: {error.strerror}. Name another directory"
            " with --home."
        )

    def _prepare(self, user: ServerUser) -> None:
        user.must_reach(self.folder, "name another directory with --home")
        user.must_reach(self.server.bin, "set XDG_CACHE_HOME to another directory")
        if (made_by := major_of(self.folder.parent)) is None:
            self._initdb(user)
        elif made_by != self.server.major:
            raise CollectorError(
                f"{self.data} was made by PostgreSQL {made_by}, and this is"
                f" {self.server.major}: install PostgreSQL {made_by} with timescaledb, or name"
                " another directory with --home."
            )
        record = {"bin": str(self.server.bin), "major": self.server.major}
        (self.folder / "server.json").write_text(json.dumps(record))

    def _initdb(self, user: ServerUser) -> None:
        """Make the data directory under another name first: what has the right name is whole."""
        if self.data.exists():
            raise CollectorError(
                f"{self.data} is not a PostgreSQL data directory: move it away, or name another"
                " directory with --home."
            )
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        user.own(fresh, 0o700)
        locale = (
            ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
            if self.server.major >= 17
            else ("--locale=C.UTF-8",)
        )
        command = [self.server.program("initdb"), "-D", str(fresh), "-U", SUPERUSER]
        done = subprocess.run(
            [*command, "--auth=trust", "--encoding=UTF8", *locale],
            capture_output=True,
            text=True,
            env=_environment(),
            cwd="/",
            check=False,
            **user.identity,
        )
        if done.returncode != 0:
            reason = done.stderr.strip() or done.stdout.strip()
            raise CollectorError(f"Cannot make a database in {self.data}: {reason}")
        fresh.rename(self.data)

    def _configure(self) -> None:
        # The Apache edition has no work for them but one job, which only ever fails.
        workers = 16 if self.server.is_full_edition else 0
        settings = {
            "timescaledb.max_background_workers": workers,
            "unix_socket_directories": f'"{self._socket_folder()}"',
            **self._settings,
        }
        lines = ["# Written anew at every start; ALTER SYSTEM prevails over it."]
        for name, value in settings.items():
            quoted = str(value).replace("'", "''")
            lines.append(f"{name} = '{quoted}'")
        file = self.folder / CONFIGURATION
        file.write_text("\n".join(lines) + "\n")
        file.chmod(0o644)

    def _socket_folder(self) -> Path:
        """Return the socket's directory: in the home, or where its path is short enough."""
        folder = self.folder / "socket"
        if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_BYTES:
            return folder
        return SHORT_PLACE / f"vantage-{hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]}"

    def _make_socket_folder(self, user: ServerUser) -> None:
        folder = self._socket_folder()
        try:
            folder.mkdir(mode=0o700)
            user.own(folder, 0o700)
        except FileExistsError:
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != user.uid:
                raise CollectorError(
                    f"{folder} is not a directory of the user {user.name}: remove it."
                ) from None
        # A killed server's lock on its socket names a process id that may be another's by now.
        for remains in folder.glob(".s.PGSQL.*"):
            remains.unlink()

    def _open_log(self) -> BinaryIO:
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_name("log.old"))
        return self.log.open("ab")

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        fatal = [line.partition("FATAL:")[2].strip() for line in lines if "FATAL:" in line]
        return (fatal or lines or ["it said nothing"])[-1]


def open_local_database(
    home: Path,
    *,
    cache: Path,
    progress: Progress,
    mirror: str | None = None,
    insecure_mirror: bool = False,
) -> LocalDatabase:
    """Return the home's database, not started, with a server that fits its data.

    The options are those of ``ensure_server``. Raises: CollectorError.
    """
    server = ensure_server(
        cache=cache,
        progress=progress,
        mirror=mirror,
        insecure_mirror=insecure_mirror,
        major=major_of(home),
    )
    return LocalDatabase(home, server)


def running_database(home: Path) -> LocalDatabase | None:
    """Return the database that runs for this home; None: none does.

    Raises: CollectorError when the home is another user's.
    """
    try:
        record = json.loads((_folder(home) / "server.json").read_text())
        database = LocalDatabase(home, Server(Path(record["bin"]), record["major"]))
        return database if database.is_running() else None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise CollectorError(
            f"{error.filename} is another user's: call Vantage as that user, or as root."
        ) from error


def major_of(home: Path) -> int | None:
    """Return which PostgreSQL made the home's data; None: there is none."""
    try:
        return int((_folder(home) / "data" / "PG_VERSION").read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None


def _folder(home: Path) -> Path:
    return home.absolute() / "database"


def _claim(folder: Path) -> TextIO:
    """Let one process at a time run the database; its death frees it."""
    file = (folder / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise CollectorError(
            f"Vantage is running in {folder.parent} already: stop it, or name another directory"
            " with --home."
        ) from None
    return file


def _environment() -> dict[str, str]:
    """Return the caller's environment less what would steer PostgreSQL."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
