"""Whether a database can answer all that the report centre asks: nothing is run, all is read."""

from __future__ import annotations

import re

import psycopg
from psycopg.pq import DiagnosticField, ExecStatus

from dashboard.queries import statements

UNDEFINED = (
    "3F000",  # invalid_schema_name
    "42P01",  # undefined_table
    "42703",  # undefined_column
)
UNDEFINED_FUNCTION = "42883"


def lacking(connection: psycopg.Connection) -> str | None:
    """What some statement names and the database does not have, in its words. None: nothing."""
    for statement in statements().values():
        # Several commands cannot be read at once; such statements set things, and name none.
        if ";" in statement:
            continue
        answer = connection.pgconn.prepare(b"", numbered(statement).encode())
        if answer.status == ExecStatus.COMMAND_OK:
            continue
        code = (answer.error_field(DiagnosticField.SQLSTATE) or b"").decode()
        said = (answer.error_field(DiagnosticField.MESSAGE_PRIMARY) or b"").decode()
        # Values have no type yet, so that an operator or a function of PostgreSQL's own may seem
        # to be missing.
        if code in UNDEFINED or (code == UNDEFINED_FUNCTION and "report." in said):
            return said
    return None


def numbered(statement: str) -> str:
    """A statement as the server reads it: ``$1`` for ``%(name)s``."""
    names: dict[str, int] = {}

    def place(found: re.Match[str]) -> str:
        return "%" if found[1] is None else f"${names.setdefault(found[1], len(names) + 1)}"

    return re.sub(r"%%|%\((\w+)\)s", place, statement)
