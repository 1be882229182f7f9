"""Walks the way to an agent in a region, on a bare Debian of its own: `make region`.

The commands are docs/agents.md's. systemd-nspawn boots the machine, on this one's network; the
centre is `vantage up`. What stays afterwards is the bundle.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import click
import psycopg

from collector.local_db import running_database
from collector.ports import free_ports
from deploy.background import Background, background
from deploy.base import bootstrap
from deploy.command import CommandError, output, proving
from deploy.engines import ROOT
from deploy.proof import website

# Whose python3 is the one that the bundle is made with.
CODENAMES = {(3, 11): "bookworm", (3, 13): "trixie"}
PROGRAMS = {"systemd-nspawn": "systemd-container", "mmdebstrap": "mmdebstrap"}
OPERATOR = (sys.executable, "-m", "collector.operator")
LOCATION = "region"
BUNDLE_S = 600
STEPS = Path("root/steps")

# What bare machines have: systemd, whose first user is the service that walks the way.
UNIT = """
[Unit]
After=multi-user.target
[Service]
Type=oneshot
WorkingDirectory=/root
ExecStart=bash /root/way
StandardOutput=file:/root/said
StandardError=inherit
"""
# bash says each command before it runs it, with the time.
WAY = """
exec 3> /root/steps
BASH_XTRACEFD=3 PS4='@$EPOCHREALTIME '
set -eux
{commands}
: done
"""
STORED = """
SELECT
    (SELECT count(*)
     FROM vantage.results
     WHERE location = agents.location
         AND outcome = 'up'),
    (SELECT count(*)
     FROM vantage.incarnations
     WHERE incarnations.agent_id = agents.id)
FROM vantage.agents
WHERE location = %s
"""


def main() -> None:
    """Walk it, and say how long each step took; exit with 1 and the reason otherwise."""
    with (
        proving(),
        tempfile.TemporaryDirectory(prefix="vantage-region-") as name,
        ExitStack() as stack,
    ):
        _walk(Path(name), stack)


def _walk(folder: Path, stack: ExitStack) -> None:
    folder.chmod(0o711)  # the centre's database runs as another user
    codename = _codename()
    click.echo("Making the bundle ...")
    click.echo("  " + output([str(ROOT / "deploy/bundle.sh")], timeout_s=BUNDLE_S).splitlines()[-1])
    click.echo(f"Making a bare Debian, {codename}, and starting a centre ...")
    machine = Machine(folder / "machine")
    machine.make(codename)
    url = stack.enter_context(website())
    centre = Centre(folder / "centre")
    stack.enter_context(centre.running(folder))
    token = centre.invite(url)
    machine.give(ROOT / "dist/vantage-agent.tar", documented(token))
    click.echo("Booting it, and walking the way of docs/agents.md ...")
    running = stack.enter_context(machine.booted(folder))
    running.wait_for("end of the way", machine.has_walked)
    running.wait_for("result", lambda: centre.stored()[0] > 0)
    for seconds, words in machine.steps(time.time()):
        click.echo(f"  {seconds:6.1f} s  {words}")
    machine.enter("systemctl", "kill", "--signal=KILL", "vantage-agent")
    running.wait_for("result of a restarted agent", lambda: centre.stored()[1] > 1)
    click.echo("  After kill -9 it was there again.")


def _codename() -> str:
    if os.geteuid() != 0:
        raise CommandError("Booting a machine takes root: sudo make region")
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            raise CommandError(f"{program} is not installed. On Debian: apt-get install {package}")
    version = sys.version_info[:2]
    if version not in CODENAMES:
        raise CommandError(
            f"The bundle would be for Python {version[0]}.{version[1]}, which no Debian has as its"
            " python3: make the environment with Python 3.11 or 3.13."
        )
    return CODENAMES[version]


def documented(token: str) -> str:
    """Return the commands of docs/agents.md for a machine of a region."""
    text = (ROOT / "docs/agents.md").read_text()
    [block] = re.findall(r"```sh\n(apt-get update .*?)```", text, re.DOTALL)
    return re.sub(r"\bTOKEN\b", token, block)


class Machine:
    """A Debian in a directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self, codename: str) -> None:
        bootstrap(codename, self.folder, "--include=systemd-sysv")
        (self.folder / "etc/systemd/system/way.service").write_text(UNIT)
        wants = self.folder / "etc/systemd/system/multi-user.target.wants"
        wants.mkdir(exist_ok=True)
        (wants / "way.service").symlink_to("/etc/systemd/system/way.service")

    def give(self, bundle: Path, commands: str) -> None:
        shutil.copy(bundle, self.folder / "root")
        (self.folder / "root/way").write_text(WAY.format(commands=commands))
        # What is probed is on loopback.
        allowed = "VANTAGE_AGENT_ALLOW_NETWORK=127.0.0.0/8\n"
        (self.folder / "etc/default/vantage-agent").write_text(allowed)

    @contextmanager
    def booted(self, folder: Path) -> Iterator[Background]:
        words = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--boot"]
        words += ["--console=pipe", f"--directory={self.folder}"]
        with background("machine", words, folder) as running:
            self._nspawn = running.process.pid
            try:
                yield running
            finally:
                with suppress(CommandError):
                    self.enter("systemctl", "poweroff")
                    running.process.wait(30)

    def enter(self, *words: str) -> str:
        """Run a command in it. Raises: CommandError."""
        first = output(["pgrep", "--parent", str(self._nspawn)])
        return output(["nsenter", f"--target={first}", "--all", "--", *words])

    def has_walked(self) -> bool:
        return ": done" in self._said()

    def _said(self) -> str:
        path = self.folder / STEPS
        return path.read_text() if path.exists() else ""

    def steps(self, ended_at: float) -> Iterator[tuple[float, str]]:
        """Yield how long each command took, then how long they all did up to ``ended_at``."""
        steps = re.findall(r"^@([0-9.]+) (.*)$", self._said(), re.MULTILINE)
        times = [float(at) for at, _ in steps]
        for (began_at, next_at), (_, words) in zip(pairwise(times), steps, strict=False):
            yield next_at - began_at, re.sub(r"join \S+", "join TOKEN", words)
        yield ended_at - times[-1], "until its first result was in the database"
        yield ended_at - times[0], "in all"


class Centre:
    """`vantage up`, which lets agents in on loopback."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @contextmanager
    def running(self, folder: Path) -> Iterator[None]:
        words = [*OPERATOR, "up", "--home", str(self.home), f"--port={free_ports(1)}", "--for=10m"]
        with background("centre", words, folder) as running:
            running.wait_for("dashboard", lambda: "Sign in" in running.last_words())
            yield

    def invite(self, url: str) -> str:
        """Have ``url`` watched; return a token for one agent in a location of its own."""
        home = ["--home", str(self.home)]
        output([*OPERATOR, "location", "add", LOCATION, *home])
        output([*OPERATOR, "monitor", "add", url, "--interval=1s", *home])
        return output([*OPERATOR, "agent", "token", "--location", LOCATION, *home])

    def stored(self) -> tuple[int, int]:
        """Return how many good results it has of that location, and from how many starts."""
        database = running_database(self.home)
        if database is None:
            raise CommandError("The centre's database is gone.")
        with psycopg.connect(database.url()) as connection:
            row = connection.execute(STORED, [LOCATION]).fetchone()
        return (row[0], row[1]) if row else (0, 0)


if __name__ == "__main__":
    main()
