"""The full edition keeps old chunks in columns; what is done to them works as before."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg

from collector.migrate import migrate
from tests.support.database import Database
from tests.support.history import BEGAN, ingest, random_row, summed

SETTINGS = """
SELECT hypertable_name FROM timescaledb_information.hypertables
WHERE hypertable_schema = 'vantage' AND compression_enabled ORDER BY 1
"""
ORDERED = """
SELECT hypertable_name, attname, segmentby_column_index, orderby_column_index
FROM timescaledb_information.compression_settings ORDER BY 1, 3, 4
"""
FEW = "SET timescaledb.max_tuples_decompressed_per_dml_transaction = 10"
CHUNKS = """
SELECT format('%I.%I', chunk_schema, chunk_name)::regclass::oid
FROM timescaledb_information.chunks WHERE hypertable_name = 'results'
"""


def is_full_edition(connection: psycopg.Connection[Any]) -> bool:
    return connection.execute("SHOW timescaledb.license").fetchone() == ("timescale",)


def compress(connection: psycopg.Connection[Any]) -> int:
    """How many chunks were put into columns."""
    chunks = connection.execute(CHUNKS).fetchall()
    for (chunk,) in chunks:
        connection.execute("SELECT compress_chunk(%s::oid::regclass)", [chunk])
    return len(chunks)


def test_results_older_than_a_week_are_compressed_where_the_edition_can(
    database: Database,
) -> None:
    with psycopg.connect(database.url()) as connection:
        enabled = [row[0] for row in connection.execute(SETTINGS)]
        expected = ["exchanges", "results"] if is_full_edition(connection) else []
        assert enabled == expected
        jobs = connection.execute(
            "SELECT count(*) FROM timescaledb_information.jobs"
            " WHERE proc_name IN ('policy_compression', 'policy_columnstore')"
        ).fetchone()
        assert jobs == (len(expected),)


def test_a_batch_in_columns_holds_all_locations_of_a_monitor(database: Database) -> None:
    """Also where an earlier version kept each location apart: from the next chunk on."""
    with psycopg.connect(database.url(), autocommit=True) as connection:
        if is_full_edition(connection):
            connection.execute(
                "ALTER TABLE vantage.results SET (timescaledb.compress,"
                " timescaledb.compress_segmentby = 'monitor_id, location',"
                " timescaledb.compress_orderby = 'slot_at DESC')"
            )
            ingest(connection, [random_row(random.Random(1)) for _ in range(20)])
            compress(connection)
        migrate(database.url())
        found = connection.execute(ORDERED).fetchall()
        columns = [("monitor_id", 1, None), ("location", None, 1), ("slot_at", None, 2)]
        tables = ("exchanges", "results") if is_full_edition(connection) else ()
        assert found == [(table, *column) for table in tables for column in columns]


def test_late_results_reach_compressed_chunks(database: Database) -> None:
    """Stored, summed up, removed: on either edition, and out of columns where there are any."""
    luck = random.Random(3)
    with psycopg.connect(database.url(), autocommit=True) as connection:
        connection.execute("INSERT INTO vantage.accounts (name) VALUES ('acme')")
        connection.execute(
            "INSERT INTO vantage.monitors (account_id, name, url)"
            " SELECT 1, 'm', 'http://a.example/' FROM generate_series(1, 3)"
        )
        early = [replace(random_row(luck), is_extra=False) for _ in range(200)]
        late = [replace(random_row(luck), is_extra=False) for _ in range(100)]
        ingest(connection, early)
        if is_full_edition(connection):
            assert compress(connection) == 3
        ingest(connection, late)
        while connection.execute("SELECT batches FROM vantage.roll_up()").fetchone() != (0,):
            pass
        found = connection.execute(
            "SELECT bucket_at, monitor_id, location, run FROM vantage.results_1h"
        ).fetchall()
        hours = summed(early + late, timedelta(hours=1))
        assert {row[:3]: row[3] for row in found} == {key: row["run"] for key, row in hours.items()}
        connection.execute(FEW)
        connection.execute("UPDATE vantage.accounts SET results_kept_days = 1")
        removed = 0
        while row := connection.execute("SELECT removed FROM vantage.remove_expired()").fetchone():
            removed += row[0]
        assert removed == 300
        assert connection.execute("SELECT count(*) FROM vantage.results").fetchone() == (0,)
        assert BEGAN in {
            row[0] for row in connection.execute("SELECT bucket_at FROM vantage.results_1d")
        }


def test_an_account_that_leaves_takes_its_compressed_results_along(database: Database) -> None:
    luck = random.Random(4)
    with psycopg.connect(database.url(), autocommit=True) as connection:
        connection.execute("INSERT INTO vantage.accounts (name) VALUES ('acme')")
        connection.execute(
            "INSERT INTO vantage.monitors (account_id, name, url) VALUES (1, 'm', 'http://a.example/')"
        )
        ingest(connection, [random_row(luck, monitors=1) for _ in range(200)])
        if is_full_edition(connection):
            compress(connection)
        connection.execute(FEW)
        connection.execute("UPDATE vantage.accounts SET deleted_at = now()")
        while connection.execute("SELECT report.purge()").fetchone() == (True,):
            pass
        assert connection.execute("SELECT count(*) FROM vantage.results").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM vantage.accounts").fetchone() == (0,)
