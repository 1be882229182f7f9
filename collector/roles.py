"""The passwords of the roles that a migration makes; without one, a role cannot sign in over TCP.

Only a SCRAM verifier, made here, goes to the server: no statement and no log of it ever holds a
password.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from collector.db import first_line
from collector.errors import CollectorError
from collector.options import read_secret

COLLECTOR = "vantage_collector"
DASHBOARD = "vantage_dashboard"
READER = "vantage_reader"


def read_passwords(
    collector: Path | None, dashboard: Path | None, reader: Path | None
) -> dict[str, str]:
    """Return the passwords of the roles that a file is given for.

    Raises: CollectorError when one cannot be read.
    """
    files = {COLLECTOR: collector, DASHBOARD: dashboard, READER: reader}
    return {role: read_secret(file) for role, file in files.items() if file is not None}


def set_passwords(url: str, passwords: Mapping[str, str]) -> None:
    """Give each role its password, all or none. Safe to repeat.

    Raises: CollectorError.
    """
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            for role, password in passwords.items():
                verifier = connection.pgconn.encrypt_password(
                    password.encode(), role.encode(), b"scram-sha-256"
                ).decode()
                connection.execute(
                    sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                        sql.Identifier(role), sql.Literal(verifier)
                    )
                )
    except psycopg.errors.UndefinedObject as error:
        raise CollectorError(
            f"The database server lost a role that a migration made: {first_line(error)}."
            " Make it again with CREATE ROLE ... LOGIN, then migrate."
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise CollectorError(
            f"The database refuses to set a password: {first_line(error)}. Migrate as a superuser,"
            " or as the role that made these roles."
        ) from error
    except psycopg.OperationalError as error:
        raise CollectorError(f"The database does not answer: {first_line(error)}.") from error
