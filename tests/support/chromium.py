"""What the tests need and pip cannot bring: Chromium, and a few of the distribution's tools.

``make test`` runs this file as a program: silent when everything is there, installing when it may,
else saying exactly what to install. It uses the standard library only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SHELL = "chromium-headless-shell"
"""The same without windows, which cost a whole browser half a second for every context."""


@dataclass(frozen=True)
class Tool:
    """Any one of ``programs`` will do; ``packages`` is what Debian calls it."""

    programs: tuple[str, ...]
    packages: tuple[str, ...]
    is_needed: bool = True

    def is_there(self) -> bool:
        return find(*self.programs) is not None


TOOLS = (
    Tool(BROWSERS, ("chromium", "fonts-dejavu-core")),
    Tool((SHELL,), (SHELL,), is_needed=False),
    Tool(("curl",), ("curl",)),
    Tool(("ip",), ("iproute2",)),
    Tool(("unshare",), ("util-linux",)),
    Tool(("gpgv", "sqv"), ("gpgv",)),
    Tool(("systemd-analyze",), ("systemd",)),
)


def find(*programs: str) -> str | None:
    """Return the first of the programs that is there; ordinary users' PATH lacks /usr/sbin."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    return next(
        (found for program in programs if (found := shutil.which(program, path=path))), None
    )


def chromium_path(*, is_whole: bool = False) -> str:
    """Return the browser's path: the one without windows where there is one, unless the whole is
    asked for, which alone has settings. Raises: RuntimeError naming what to install."""
    if path := find(*(() if is_whole else (SHELL,)), *BROWSERS):
        return path
    raise RuntimeError(f"No Chromium is installed. {remedy(['chromium', 'fonts-dejavu-core'])}")


def remedy(packages: list[str]) -> str:
    return f"On Debian, as root: apt-get install --no-install-recommends {' '.join(packages)}"


def install(packages: list[str]) -> None:
    """Install with apt, showing its progress."""
    print(f"Installing for the tests: {' '.join(packages)} ...", file=sys.stderr, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages],
    ):
        status = subprocess.run(command, env=environment, stdout=sys.stderr, check=False).returncode
        if status != 0:
            print(f"{' '.join(command)} failed with status {status}.", file=sys.stderr)
            return


def missing(*, is_needed: bool) -> list[str]:
    """The packages of the tools that are not there."""
    tools = [tool for tool in TOOLS if tool.is_needed is is_needed and not tool.is_there()]
    return [package for tool in tools for package in tool.packages]


def main() -> int:
    # One after the other: what no distribution has must not keep what is needed from coming.
    for is_needed in (True, False):
        packages = missing(is_needed=is_needed)
        if packages and os.geteuid() == 0 and shutil.which("apt-get"):
            install(packages)
    if packages := missing(is_needed=True):
        print(f"The tests need more than this machine has. {remedy(packages)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
