"""The access log: one JSON object a request, for statistics over all visitors.

It holds the address, the browser, the host name, the time, the route and the status; never an
account, a session or a path, in which identities and tokens stand. The days before today lie
beside the file, each named by its day (UTC).
"""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from io import FileIO
from pathlib import Path

import msgspec
import structlog
from starlette.datastructures import Headers
from starlette.types import Scope

from dashboard.background import keep_doing
from dashboard.errors import DashboardError

LOG = structlog.get_logger()
LOOK_AGAIN_S = 600.0
# Of whatever a client sends, this much is enough to tell browsers apart.
LONGEST = 300


@dataclass(frozen=True, slots=True)
class Access:
    """One request. ``route``: as it is written in the program; None: no route is like that."""

    at: datetime
    address: str | None
    browser: str
    host: str
    method: str
    route: str | None
    status: int


def access(scope: Scope, status: int, *, at: datetime, anonymise: bool) -> Access:
    """What is written of a request that was answered."""
    headers = Headers(scope=scope)
    client = scope.get("client")
    address = client[0] if client else None
    return Access(
        at=at,
        address=shortened(address) if anonymise else address,
        browser=headers.get("user-agent", "")[:LONGEST],
        host=headers.get("host", "")[:LONGEST],
        method=scope["method"],
        route=route_of(scope),
        status=status,
    )


def route_of(scope: Scope) -> str | None:
    """The template of the route that was taken: ``/m/{monitor_id}``. None: there is none."""
    path = getattr(scope.get("route"), "path", None)
    if path is None:
        return None
    # A mounted application's routes are written without what they are mounted under.
    root = scope.get("root_path", "")
    return str(path) if path.startswith(root) else f"{root}{path}"


def shortened(address: str | None) -> str | None:
    """The network of an address, /24 or /48. None: it is no address of the Internet."""
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed
    network = ipaddress.ip_network(f"{mapped}/{24 if mapped.version == 4 else 48}", strict=False)
    return str(network.network_address)


class AccessLog:
    """The file of today, begun anew every day; days older than ``keep_days`` are deleted.

    ``keep_days`` None: none is. Days are told from the clock that is passed.
    """

    def __init__(
        self, path: Path, *, anonymise: bool = False, keep_days: int | None = None
    ) -> None:
        self._path = path
        self._anonymise = anonymise
        self._keep_days = keep_days
        self._file: FileIO | None = None
        self._day = date.min
        self._is_failing = False

    def open(self, now: datetime) -> None:
        """Begin or go on. Raises: DashboardError where the file cannot be written."""
        try:
            if self._path.is_file() and self._path.stat().st_size:
                self._day = datetime.fromtimestamp(self._path.stat().st_mtime, UTC).date()
            self.turn(now)
        except OSError as error:
            raise DashboardError(
                f"The access log {self._path} cannot be written: {error.strerror}. "
                "Name another file with --access-log."
            ) from error

    def write(self, scope: Scope, status: int, now: datetime) -> None:
        """Add a request. A disk that is full costs lines, never answers."""
        try:
            file = self.turn(now)
            line = msgspec.json.encode(access(scope, status, at=now, anonymise=self._anonymise))
            file.write(line + b"\n")
            self._is_failing = False
        except OSError as error:
            if not self._is_failing:
                LOG.error("access_log_failed", reason=error.strerror)
            self._is_failing = True

    def turn(self, now: datetime) -> FileIO:
        """Put yesterday's lines aside and delete what is too old, where a day has begun."""
        today = now.date()
        if self._file is None or self._day != today:
            if self._file is not None:
                self._file.close()
                self._file = None
            if self._day != today and self._path.exists() and self._path.stat().st_size:
                self._path.rename(self._aside())
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            self._file, self._day = FileIO(descriptor, "a"), today
            self._forget(today)
        return self._file

    def _aside(self) -> Path:
        """Where the day's lines go; a clock that was put back finds the name taken."""
        aside = self._path.with_name(f"{self._path.name}.{self._day}")
        number = 1
        while aside.exists():
            aside = self._path.with_name(f"{self._path.name}.{self._day}-{number}")
            number += 1
        return aside

    def _forget(self, today: date) -> None:
        if self._keep_days is None:
            return
        named = re.compile(re.escape(self._path.name) + r"\.(\d{4}-\d\d-\d\d)(-\d+)?")
        for beside in self._path.parent.iterdir():
            match = named.fullmatch(beside.name)
            if match and (today - date.fromisoformat(match[1])).days >= self._keep_days:
                beside.unlink()

    async def run(self) -> None:
        """See that lines go in time, also where nobody comes."""
        await keep_doing("access_log", self._turn_now, LOOK_AGAIN_S)

    async def _turn_now(self) -> None:
        try:
            self.turn(datetime.now(UTC))
        except OSError as error:
            LOG.error("access_log_failed", reason=error.strerror)

    def close(self) -> None:
        """Write no more."""
        if self._file is not None:
            self._file.close()
            self._file = None
