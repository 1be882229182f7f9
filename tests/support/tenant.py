"""An account that has something in every table, to be looked for where it must not be.

A new table that can hold something of an account is found in the catalogue: plant a row of it in
tenant.sql.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

ACCOUNT = 4711
REMOVED = 4712
MARK = "xyzzy"
EMAIL = "xyzzy@example.net"
SLUG = "somebodys"
STATEMENTS = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")

Connection = psycopg.Connection[tuple[Any, ...]]

# What leads to an account: by a foreign key, or, where a hypertable cannot have one, by the name.
KEYS = """
WITH RECURSIVE related AS (
    SELECT 'vantage.accounts'::regclass::oid AS relation
    UNION
    SELECT pg_constraint.conrelid
    FROM pg_constraint
    JOIN related ON related.relation = pg_constraint.confrelid
    WHERE pg_constraint.contype = 'f'
        AND pg_constraint.connamespace = 'vantage'::regnamespace
)
SELECT format('vantage.%I', pg_class.relname), pg_attribute.attname::text, pg_type.typcategory = 'A'
FROM pg_attribute
JOIN pg_class ON pg_class.oid = pg_attribute.attrelid
JOIN pg_type ON pg_type.oid = pg_attribute.atttypid
WHERE pg_class.relnamespace = 'vantage'::regnamespace
    AND pg_class.relkind IN ('r', 'p')
    AND pg_attribute.attnum > 0
    AND NOT pg_attribute.attisdropped
    AND (
        pg_attribute.attname IN ('account_id', 'user_id', 'monitor_id', 'monitor_ids')
        OR (pg_class.relname = 'accounts' AND pg_attribute.attname = 'id')
        OR EXISTS (
            SELECT FROM pg_constraint
            JOIN related ON related.relation = pg_constraint.confrelid
            WHERE pg_constraint.contype = 'f'
                AND pg_constraint.conrelid = pg_class.oid
                AND pg_constraint.conkey = ARRAY[pg_attribute.attnum]))
ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Tenant:
    """The account, and where everything of it is: a condition for each table."""

    tables: dict[str, str]

    def rows(self, connection: Connection) -> dict[str, int]:
        """How many rows of each table are the account's."""
        counted = " UNION ALL ".join(
            f"SELECT '{table}', count(*) FROM {table} WHERE {condition}"
            for table, condition in self.tables.items()
        )
        return dict(connection.execute(counted.encode()).fetchall())

    def fingerprint(self, connection: Connection) -> list[tuple[Any, ...]]:
        """Something that changes with any of its rows."""
        seen = " UNION ALL ".join(
            f"SELECT '{table}', md5(string_agg(t::text, '|' ORDER BY t::text))"
            f" FROM {table} AS t WHERE {condition}"
            for table, condition in self.tables.items()
        )
        return connection.execute(f"{seen} ORDER BY 1".encode()).fetchall()


def plant(conninfo: str, *, password_hash: str = "x") -> Tenant:
    """Make the account in a migrated database."""
    with psycopg.connect(conninfo) as connection:
        for statement in STATEMENTS.split(";\n"):
            if statement.strip():
                connection.execute(statement.encode(), {"password_hash": password_hash})
        return find(connection)


def find(connection: Connection) -> Tenant:
    """Read from the catalogue where an account may have rows."""
    tables: dict[str, list[str]] = {}
    for table, column, is_array in connection.execute(KEYS).fetchall():
        ours = f"'{{{ACCOUNT},{REMOVED}}}'"
        condition = f"{column} && {ours}" if is_array else f"{column} = ANY ({ours})"
        tables.setdefault(table, []).append(condition)
    return Tenant({table: " OR ".join(each) for table, each in tables.items()})
