"""How ``vantage psql`` reaches the results: PostgreSQL's own shell, as the read-only role."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from collector.db import UNREADABLE
from collector.errors import CollectorError
from collector.postgres import Server

READER = "vantage_reader"


@dataclass(frozen=True, slots=True)
class Command:
    """What to hand to ``os.execvpe``; the password, if any, is in the environment only."""

    argv: list[str]
    environment: Mapping[str, str]


def psql_command(
    url: str, *, server: Server | None = None, statements: Sequence[str] = ()
) -> Command:
    """Return the command that opens the database read-only, or runs statements one by one.

    ``server``: whose psql; None: the one on PATH. A URL of another role is narrowed to the
    reader's rights. Raises: CollectorError.
    """
    program = server.program("psql") if server else shutil.which("psql")
    if program is None:
        raise CollectorError("psql is not installed here: install the package postgresql-client.")
    try:
        fields = {name: str(value) for name, value in conninfo_to_dict(url).items() if value}
    except ProgrammingError as error:
        raise CollectorError(UNREADABLE) from error
    environment = dict(os.environ)
    if password := fields.pop("password", None):
        environment["PGPASSWORD"] = password
    if fields.get("user") != READER:
        fields["options"] = f"{fields.get('options', '')} -c role={READER}".strip()
    argv = [program, "--dbname", make_conninfo(**fields)]
    for statement in statements:
        argv += ["--command", statement]
    return Command(argv, environment)
