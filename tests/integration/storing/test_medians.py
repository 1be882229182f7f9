"""The medians of ten minutes, held against those worked out by hand over random histories."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.support.database import Database
from tests.support.history import BEGAN, Row, buckets, ingest, insert, random_row

TEN, DAY = timedelta(minutes=10), timedelta(days=1)
PHASES = ("redirect", "dns", "connect", "tls", "send", "wait", "receive", "resources")
MONITORS = range(1, 4)


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """As the collector's role; medians are kept from the second hour on."""
    with psycopg.connect(database.url(role="vantage_collector"), autocommit=True) as connection:
        connection.execute("INSERT INTO vantage.accounts (name) VALUES ('acme')")
        connection.execute(
            "INSERT INTO vantage.locations (name, title) VALUES ('fra', 'F'), ('sin', 'S')"
        )
        connection.execute(
            "INSERT INTO vantage.monitors (account_id, name, url) SELECT 1, 'm',"
            " 'http://a.example/' FROM generate_series(1, 3)"
        )
        connection.execute(
            "UPDATE vantage.rollup_progress SET medians_from_at = %(at)s, medians_to_at = %(at)s",
            {"at": BEGAN + 6 * TEN},
        )
        yield connection


def course(connection: psycopg.Connection[Any]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Of all monitors, from the middle of a bucket before any is kept."""
    found = {}
    with connection.cursor(row_factory=dict_row) as cursor:
        for monitor_id in MONITORS:
            cursor.execute(
                "SELECT * FROM vantage.course(%s, '{fra,sin}', %s, %s)",
                [monitor_id, BEGAN + TEN / 2, BEGAN + DAY],
            )
            for row in cursor:
                key = row.pop("bucket_at"), row.pop("monitor_id"), row.pop("location")
                assert key not in found
                found[key] = {**row, "total_histogram": buckets(row["total_histogram"])}
    return found


def expected(
    connection: psycopg.Connection[Any], rows: list[Row]
) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The same by hand, less which of equally fast results it is."""
    bounds = connection.execute("SELECT vantage.histogram_bounds()").fetchone()
    assert bounds is not None
    groups: defaultdict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        if not row.is_extra:
            ten = BEGAN + (row.slot_at - BEGAN) // TEN * TEN
            groups[ten, row.monitor_id, row.location].append(row)
    return {
        key: {
            "run": len(group),
            "down": sum(row.outcome == "down" for row in group),
            "timed": sum(row.is_timed for row in group),
            "failed_slot_at": min((r.slot_at for r in group if r.outcome == "down"), default=None),
            "total_us": median(group).total_us,
            "total_histogram": dict(
                Counter(bisect_right(bounds[0], r.total_us) - 1 for r in group if r.is_timed)
            ),
        }
        for key, group in groups.items()
    }


def median(group: list[Row]) -> Row:
    """The lower one of those that are timed; where none is, the first of the others."""
    ordered = sorted(group, key=lambda row: (row.outcome == "down", row.suspect, row.total_us))
    return ordered[max(0, (sum(row.is_timed for row in group) + 1) // 2 - 1)]


def matches(connection: psycopg.Connection[Any], rows: list[Row]) -> None:
    found = course(connection)
    known = {(r.slot_at, r.monitor_id, r.location, *phases(vars(r))) for r in rows}
    for (_, *pair), row in found.items():
        assert (row["slot_at"], *pair, *phases(row)) in known
        for name in ("slot_at", *(f"{phase}_us" for phase in PHASES)):
            row.pop(name)
    assert found == expected(connection, rows)


def phases(row: dict[str, Any]) -> list[int | None]:
    return [row[f"{phase}_us"] for phase in PHASES]


def row_of_first_day(luck: random.Random) -> Row:
    """Dense enough that most ten minutes have several."""
    row = random_row(luck, days=1)
    hours = (row.slot_at - BEGAN) // timedelta(hours=4)
    return Row(**{**vars(row), "slot_at": row.slot_at - hours * timedelta(hours=4)})


def call(connection: psycopg.Connection[Any], text: str) -> Any:
    row = connection.execute(text.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("seed", range(3))
def test_any_history(connection: psycopg.Connection[Any], seed: int) -> None:
    """In time or late, for what is kept, what is not yet, and what was never."""
    luck = random.Random(seed)
    stored: list[Row] = []
    for _ in range(12):
        new = [row_of_first_day(luck) for _ in range(luck.randrange(1, 120))]
        ingest(connection, new)
        stored += new
        while call(connection, "SELECT batches FROM vantage.roll_up(40)"):
            pass
        for _ in range(luck.randrange(6)):
            call(connection, f"SELECT vantage.sum_up_medians({luck.choice([1, 2, 5000])})")
        matches(connection, stored)
    assert call(connection, "SELECT count(*) FROM vantage.medians") > 20
    new = [row_of_first_day(luck) for _ in range(50)]
    insert(connection, new)
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    connection.execute("SELECT vantage.rebuild_rollups(%s, %s)", [BEGAN, BEGAN + DAY])
    connection.execute("COMMIT")
    matches(connection, stored + new)


def test_a_step_ends_with_a_monitor_and_then_with_the_ten_minutes(
    connection: psycopg.Connection[Any],
) -> None:
    luck = random.Random(9)
    ingest(connection, [row_of_first_day(luck) for _ in range(2_000)])
    while call(connection, "SELECT batches FROM vantage.roll_up()"):
        pass
    assert [call(connection, "SELECT vantage.sum_up_medians(1)") for _ in range(4)] == [2, 2, 2, 0]
    progress = "SELECT medians_to_at FROM vantage.rollup_progress"
    assert call(connection, progress) == BEGAN + 7 * TEN
    connection.execute(
        "UPDATE vantage.rollup_progress SET medians_to_at = now() - INTERVAL '10 min 29 s'"
    )
    assert call(connection, "SELECT vantage.sum_up_medians()") is None


def test_a_sessions_way_of_writing_instants_changes_nothing(
    connection: psycopg.Connection[Any],
) -> None:
    """CST is read as America's, and written for Shanghai's where the style is not ISO."""
    luck = random.Random(10)
    ingest(connection, [row_of_first_day(luck) for _ in range(500)])
    connection.execute("SET timezone = 'Asia/Shanghai'")
    connection.execute("SET datestyle = 'Postgres'")
    while call(connection, "SELECT batches FROM vantage.roll_up()"):
        pass
    for _ in range(6):
        call(connection, "SELECT vantage.sum_up_medians()")
    ingest(connection, [row_of_first_day(luck) for _ in range(500)])
    while call(connection, "SELECT batches FROM vantage.roll_up()"):
        pass
    first, last = "'2026-03-01 00:00Z'", "'2026-03-01 03:00Z'"
    run = f"SELECT sum(run) FROM vantage.course(1, '{{fra,sin}}', {first}, {last})"
    due = (
        "SELECT count(*) FROM vantage.results WHERE monitor_id = 1 AND NOT is_extra"
        f" AND slot_at >= {first} AND slot_at < {last}"
    )
    assert call(connection, run) == call(connection, due)
