"""As whom the local database server runs. PostgreSQL refuses root."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from collector.errors import CollectorError

UNPRIVILEGED = ("postgres", "nobody")


class Identity(TypedDict, total=False):
    """Arguments of ``subprocess`` that make a child another user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class ServerUser:
    """A user of this machine; ``identity`` is empty when it is the caller already."""

    name: str
    uid: int
    gid: int
    identity: Identity

    def own(self, path: Path, mode: int) -> None:
        """Make a file or directory this user's."""
        os.chown(path, self.uid, self.gid)
        path.chmod(mode)

    def must_reach(self, path: Path, remedy: str) -> None:
        """Raises: CollectorError, naming the directory that is closed to this user."""
        if self.identity and not self._can_enter(path):
            closed = next(p for p in (*reversed(path.parents), path) if not self._can_enter(p))
            raise CollectorError(
                f"The database server runs as the user {self.name}, which may not enter {closed}:"
                f" {remedy}, or allow it with: chmod o+x {closed}"
            )

    def _can_enter(self, path: Path) -> bool:
        command = ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(path)]
        return subprocess.run(command, capture_output=True, **self.identity).returncode == 0


def server_user() -> ServerUser:
    """Return the caller, or for root somebody without rights. Raises: CollectorError."""
    if os.geteuid() != 0:
        try:
            entry = pwd.getpwuid(os.geteuid())
        except KeyError:
            raise CollectorError(
                f"The user number {os.geteuid()} has no name in /etc/passwd, and PostgreSQL needs"
                " one: add it there, or use a TimescaleDB of yours with --database URL."
            ) from None
        return ServerUser(entry.pw_name, os.geteuid(), os.getegid(), Identity())
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        identity = Identity(user=entry.pw_uid, group=entry.pw_gid, extra_groups=[])
        return ServerUser(name, entry.pw_uid, entry.pw_gid, identity)
    raise CollectorError(
        "PostgreSQL does not run as root, and this machine has no other user to run it as:"
        f" add {UNPRIVILEGED[0]}, or call Vantage as an ordinary user."
    )
