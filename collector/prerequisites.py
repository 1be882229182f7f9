"""What a database must allow before Vantage can be set up in it; each lack is one sentence."""

from __future__ import annotations

import psycopg

from collector.db import first_line
from collector.errors import CollectorError
from collector.migrate import Connection, connected, must_be_installed

RIGHTS = """
SELECT
    current_user,
    current_database(),
    rolsuper OR rolcreaterole,
    rolsuper OR pg_has_role(datdba, 'MEMBER')
FROM pg_roles
CROSS JOIN pg_database
WHERE rolname = current_user AND datname = current_database()
"""
INSTALLED = "SELECT FROM pg_extension WHERE extname = 'timescaledb'"


def check(url: str) -> None:
    """See that whoever signs in may set Vantage up, a superuser or not; make the extension.

    Raises: CollectorError.
    """
    with connected(url) as connection:
        must_be_installed(connection)
        [(role, database, makes_roles, is_owner)] = connection.execute(RIGHTS).fetchall()
        if not is_owner:
            raise CollectorError(
                f"{role} does not own the database {database}. As its owner or an administrator:"
                f' ALTER DATABASE "{database}" OWNER TO "{role}"'
            )
        if not makes_roles:
            raise CollectorError(
                f"{role} may not create roles, and Vantage needs four. As an administrator:"
                f' ALTER ROLE "{role}" CREATEROLE'
            )
        _make_extension(connection, role, database)


def _make_extension(connection: Connection, role: str, database: str) -> None:
    if connection.execute(INSTALLED).fetchone() is not None:
        return
    try:
        connection.execute("CREATE EXTENSION timescaledb SCHEMA public")
    except psycopg.errors.InsufficientPrivilege as error:
        raise CollectorError(
            f"{role} may not create the extension timescaledb: {first_line(error)}. As an"
            f" administrator, in the database {database}: CREATE EXTENSION timescaledb"
        ) from error
    except psycopg.Error as error:
        if "preload" not in str(error):
            raise
        raise CollectorError(
            "The database server does not load timescaledb: add it to shared_preload_libraries"
            " in its configuration and restart it."
        ) from error
