"""The benches' world: a day that was copied holds what summing up its results gives.

On the full edition, days that are over are in columns.
"""

from __future__ import annotations

from typing import Any

import psycopg

from bench.world import DAY, Shape, World
from tests.support.database import Database

SHAPE = Shape(monitors=10, locations=1, days=3, full_days=2)
ROWS = {"rollups_1h": 24, "totals_1h": 24, "rollups_1d": 1, "medians": 144}  # a pair and day
OF_DAY = "SELECT {} FROM vantage.{} WHERE bucket_at >= %(from_at)s AND bucket_at < %(to_at)s"
IN_COLUMNS = (
    "SELECT range_start, is_compressed FROM timescaledb_information.chunks"
    " WHERE hypertable_name = 'results' ORDER BY range_start"
)


def columns(connection: psycopg.Connection[Any], relation: str) -> str:
    found = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
        " AND NOT attisdropped AND attname NOT IN ('updated_at', 'failures')",
        [f"vantage.{relation}"],
    )
    return ", ".join(name for (name,) in found)


def compress_at_once(connection: psycopg.Connection[Any]) -> int:
    """Let the full edition's policy not wait; how many policies there are."""
    found = connection.execute(
        "SELECT alter_job(job_id, config => config || jsonb_build_object('compress_after', '0 s'))"
        " FROM timescaledb_information.jobs WHERE hypertable_name = 'results'"
        " AND proc_name IN ('policy_compression', 'policy_columnstore')"
    )
    return len(found.fetchall())


def test_a_copied_day_is_what_its_results_add_up_to(database: Database) -> None:
    world = World(database.url(), SHAPE)
    with world.connect() as connection:
        policies = compress_at_once(connection)
    world.fill()
    world.catch_up()
    day = world.first_day + DAY
    within = {"from_at": day, "to_at": day + DAY}
    with world.connect() as connection:
        days = [world.first_day, day, world.today]
        in_columns = [(each, policies == 1 and each < world.today) for each in days]
        assert connection.execute(IN_COLUMNS).fetchall() == in_columns
        asked = {name: OF_DAY.format(columns(connection, name), name).encode() for name in ROWS}
        copied = {name: set(connection.execute(asked[name], within)) for name in ROWS}
        assert {name: len(rows) for name, rows in copied.items()} == {
            name: rows * SHAPE.pairs for name, rows in ROWS.items()
        }
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.execute("SELECT vantage.rebuild_rollups(%(from_at)s, %(to_at)s)", within)
        for name in ROWS:
            assert set(connection.execute(asked[name], within)) == copied[name]
        stale = connection.execute(
            "SELECT count(*) FROM vantage.standings WHERE slot_at < now() - INTERVAL '5 minutes'"
        )
        assert stale.fetchone() == (0,)
        false = connection.execute(
            "SELECT count(*) FROM vantage.results WHERE rtt_us > connect_us OR started_at <>"
            " slot_at + make_interval(secs => delay_us / 1e6) OR received_at <"
            " started_at + make_interval(secs => total_us / 1e6)"
        )
        assert false.fetchone() == (0,)
