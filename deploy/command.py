"""Commands of this machine, run to their end."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from collector.errors import CollectorError

LAST_LINES = 30
SHOWN_CHARACTERS = 200


class CommandError(Exception):
    """A command failed; the message says which, and its last words."""


def output(command: Sequence[str], *, timeout_s: float = 120, cwd: Path | None = None) -> str:
    """Run a command; return what it printed on standard output.

    Raises: CommandError.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            cwd=cwd,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"It took longer than {timeout_s:g} s: {shown(command)}") from error
    if done.returncode:
        said = "\n".join(f"{done.stdout}{done.stderr}".strip().splitlines()[-LAST_LINES:])
        raise CommandError(f"{shown(command)} failed:\n{said}")
    return done.stdout.strip()


def shown(command: Sequence[str]) -> str:
    """Return a command as a person reads it, on one line and not for ever."""
    return textwrap.shorten(shlex.join(command), SHOWN_CHARACTERS, placeholder=" ...")


def works(command: Sequence[str], *, timeout_s: float = 30) -> bool:
    """Tell whether a command exists and ends well."""
    try:
        output(command, timeout_s=timeout_s)
    except (OSError, CommandError):
        return False
    return True


@contextmanager
def proving() -> Iterator[None]:
    """Exit with 1 and the reason where something is not as it should be, or it was stopped."""
    # Both ways of being stopped unwind what was started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except (CommandError, CollectorError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit("Stopped; nothing was proved.")
