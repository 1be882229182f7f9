"""Which installation a command is about: a database named by URL, or this machine's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

from collector.errors import CollectorError
from collector.options import database_option

if TYPE_CHECKING:
    from collector.local_db import LocalDatabase

P = ParamSpec("P")
R = TypeVar("R")


def default_home() -> Path:
    """Return where ``vantage up`` keeps its data: /var/lib/vantage for root."""
    if os.geteuid() == 0:
        return Path("/var/lib/vantage")
    state = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(state) / "vantage"


def home_option(command: Callable[P, R]) -> Callable[P, R]:
    """Add ``--home``; the command gets ``home``, an absolute path."""
    return click.option(
        "--home",
        type=click.Path(path_type=Path, file_okay=False, resolve_path=True),
        default=default_home,
        show_default="/var/lib/vantage for root, else ~/.local/share/vantage",
        envvar="VANTAGE_HOME",
        show_envvar=True,
        help="Directory of the installation that `vantage up` runs.",
    )(command)


def on_database(command: Callable[P, R]) -> Callable[P, R]:
    """Add ``--home`` and ``--database``; the command gets ``url``: of a database that is up."""

    @wraps(command)
    def with_url(*args: P.args, **kwargs: P.kwargs) -> R:
        home, database = kwargs.pop("home"), kwargs.pop("database")
        if database is None:
            database = local_database(home).url(role="vantage_collector")  # type: ignore[arg-type]
        kwargs["url"] = database
        return command(*args, **kwargs)

    return home_option(database_option()(with_url))


def local_database(home: Path) -> LocalDatabase:
    """Return the running database of a home.

    Raises: CollectorError when none is running there.
    """
    from collector.local_db import running_database

    database = running_database(home)
    if database is None:
        raise CollectorError(
            f"No Vantage is running in {home}. Start one with `vantage up`, or name a database "
            "with --database."
        )
    return database
