"""Rollups, held against sums worked out by hand over random histories."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import errors
from psycopg.rows import dict_row

from tests.support.database import Database
from tests.support.history import (
    BEGAN,
    PHASES,
    Row,
    buckets,
    ingest,
    insert,
    random_row,
    summed,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WIDTHS = {"results_1m": timedelta(minutes=1), "results_1h": HOUR, "results_1d": DAY}


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """As the collector's role, over monitors that were there before the first result."""
    with psycopg.connect(database.url(role="vantage_collector"), autocommit=True) as connection:
        connection.execute("INSERT INTO vantage.accounts (name) VALUES ('acme')")
        connection.execute(
            "INSERT INTO vantage.locations (name, title) VALUES ('fra', 'F'), ('sin', 'S')"
        )
        connection.execute(
            "INSERT INTO vantage.monitors (account_id, name, url, created_at) SELECT 1, 'm',"
            " 'http://a.example/', %s FROM generate_series(1, 3)",
            [BEGAN],
        )
        # Of the histories' three days the first and six hours of the second are over and summed up;
        # totals are kept from the fourth hour on.
        connection.execute(
            "UPDATE vantage.rollup_progress SET hours_from_at = %s, hours_to_at = %s",
            [BEGAN + 3 * HOUR, BEGAN + 30 * HOUR],
        )
        yield connection


def read(connection: psycopg.Connection[Any], view: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Read a rollup; every histogram as the buckets that are filled in it."""
    return rows_of(connection, f"SELECT * FROM vantage.{view}")


def rows_of(
    connection: psycopg.Connection[Any], asked: str
) -> dict[tuple[Any, ...], dict[str, Any]]:
    bounds = connection.execute("SELECT vantage.histogram_bounds()").fetchone()
    assert bounds is not None
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(asked.encode()).fetchall()
    found = {
        (row.pop("bucket_at"), row.pop("monitor_id"), row.pop("location")): {
            name: buckets(value) if name.endswith("_histogram") else value
            for name, value in row.items()
            if name not in ("updated_at", "due")
        }
        for row in rows
    }
    assert len(found) == len(rows)
    return found


def expected(
    connection: psycopg.Connection[Any], rows: list[Row], width: timedelta
) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The sums by hand, in the shape that ``read`` gives."""
    row = connection.execute("SELECT vantage.histogram_bounds()").fetchone()
    assert row is not None
    sums = summed(rows, width)
    for group in sums.values():
        for name in ("total", *PHASES):
            values = group.pop(f"{name}_values")
            group[f"{name}_histogram"] = dict(
                Counter(bisect_right(row[0], us) - 1 for us in values)
            )
    return sums


def roll_up(connection: psycopg.Connection[Any], results_max: int = 50_000) -> int:
    row = connection.execute("SELECT batches FROM vantage.roll_up(%s)", [results_max]).fetchone()
    assert row is not None
    return int(row[0])


def roll_up_all(connection: psycopg.Connection[Any]) -> None:
    while roll_up(connection):
        pass


def matches(connection: psycopg.Connection[Any], rows: list[Row]) -> None:
    for view, width in WIDTHS.items():
        assert read(connection, view) == expected(connection, rows, width), view
    totals_match(connection, expected(connection, rows, HOUR))
    newest: dict[tuple[int, str], datetime] = {}
    for row in rows:
        pair = row.monitor_id, row.location
        newest[pair] = max(row.slot_at, newest.get(pair, row.slot_at))
    standings = connection.execute(
        "SELECT monitor_id, location, slot_at, outcome, total_us FROM vantage.standings"
    ).fetchall()
    assert {(each[0], each[1]): each[2] for each in standings} == newest
    known = {(row.monitor_id, row.location, row.slot_at, row.outcome, row.total_us) for row in rows}
    assert known.issuperset(standings)


def totals_match(
    connection: psycopg.Connection[Any], hours: dict[tuple[Any, ...], dict[str, Any]]
) -> None:
    """Spans that begin and end in the hours that totals are kept of, and before and after."""
    names = ("run", "up", "degraded", "down", "suspect_down", "total_histogram")
    for begin, end in ((0, 72), (2, 29), (4, 20), (40, 60), (0, 2), (5, 5)):
        from_at, to_at = BEGAN + begin * HOUR, BEGAN + end * HOUR
        within = {key: sums for key, sums in hours.items() if from_at <= key[0] < to_at}
        asked = "SELECT vantage.hours_between(%s, %s)"
        found = connection.execute(asked, [from_at, to_at]).fetchone()
        assert found is not None
        assert rows_of(connection, found[0]) == {
            key: {name: sums[name] for name in names} for key, sums in within.items()
        }
    for begin in (0, 2, 4, 11, 13, 25, 29, 31, 40, 61, 71):
        since_match(connection, hours, BEGAN + begin * HOUR)


def since_match(
    connection: psycopg.Connection[Any],
    hours: dict[tuple[Any, ...], dict[str, Any]],
    from_at: datetime,
) -> None:
    """Monitors' hours from then on, and what was timed at each location."""
    names = ("run", "degraded", "down")
    timed: defaultdict[tuple[Any, ...], Counter[int]] = defaultdict(Counter)
    counts: defaultdict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for (bucket_at, monitor_id, location), sums in hours.items():
        if bucket_at >= from_at:
            counts[bucket_at, monitor_id, None].update({name: sums[name] for name in names})
            if sums["total_histogram"]:
                timed[None, monitor_id, location].update(sums["total_histogram"])
    asked = f"SELECT * FROM vantage.summed_since('{{1,2,3}}', '{from_at}')"
    assert {
        key: sums["total_histogram"] or {name: sums[name] for name in names}
        for key, sums in rows_of(connection, asked).items()
    } == {**timed, **counts}, from_at


def hours_to_at(connection: psycopg.Connection[Any]) -> datetime:
    row = connection.execute("SELECT hours_to_at FROM vantage.rollup_progress").fetchone()
    assert row is not None
    at: datetime = row[0]
    return at


@pytest.mark.parametrize("seed", range(4))
def test_any_history_adds_up(connection: psycopg.Connection[Any], seed: int) -> None:
    """Late rows, extra ones, twins, suspects; a keeper that dies in the middle."""
    luck = random.Random(seed)
    stored: list[Row] = []
    for _ in range(25):
        new = [random_row(luck) for _ in range(luck.randrange(1, 60))]
        ingest(connection, new)
        stored += new
        if luck.random() < 0.3:
            connection.execute("BEGIN")
            roll_up(connection)
            connection.execute("ROLLBACK")
        if luck.random() < 0.5:
            roll_up(connection, luck.choice([1, 100, 50_000]))
        while luck.random() < 0.4:
            connection.execute("SELECT vantage.sum_up_hour(%s)", [luck.choice([1, 2, 1000])])
    roll_up_all(connection)
    matches(connection, stored)
    days = expected(connection, stored, DAY)
    while hours_to_at(connection) < BEGAN + 3 * DAY:
        connection.execute("SELECT vantage.sum_up_hour(4)")
        assert read(connection, "results_1d") == days
    assert read(connection, "rollups_1d") == days
    matches(connection, stored)
    assert connection.execute("SELECT results FROM vantage.rollup_backlog").fetchone() == (0,)


def test_a_row_that_is_still_being_stored_waits(
    database: Database, connection: psycopg.Connection[Any]
) -> None:
    """A transaction that began first and commits last is neither lost nor counted twice."""
    luck = random.Random(5)
    first, early, late = ([random_row(luck) for _ in range(60)] for _ in range(3))
    ingest(connection, first)  # and with it come the chunks, which one transaction makes at a time
    with psycopg.connect(database.url(), autocommit=True) as other:
        other.execute("BEGIN")
        ingest(other, early)
        ingest(connection, late)
        roll_up_all(connection)
        assert read(connection, "results_1h") == expected(connection, first + late, HOUR)
        other.execute("COMMIT")
    roll_up_all(connection)
    matches(connection, first + early + late)


def test_the_rollups_outlive_the_results(
    database: Database, connection: psycopg.Connection[Any]
) -> None:
    luck = random.Random(6)
    rows = [random_row(luck) for _ in range(300)]
    ingest(connection, rows)
    roll_up_all(connection)
    with psycopg.connect(database.url()) as owner:
        owner.execute("SELECT drop_chunks('vantage.results', %s)", [BEGAN + DAY])
    kept = [row for row in rows if row.slot_at >= BEGAN + DAY]
    assert read(connection, "results_1h") == expected(connection, rows, HOUR)
    assert read(connection, "results_1m") == expected(connection, kept, WIDTHS["results_1m"])
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    with pytest.raises(errors.RaiseException, match="not kept any more"):
        rebuild(connection, BEGAN)
    connection.execute("ROLLBACK")


def test_agents_are_summed_up_one_after_the_other(connection: psycopg.Connection[Any]) -> None:
    """All that waits of one costs little more than its last; whoever waits longest is first."""
    luck = random.Random(8)
    for minute in range(40):
        ingest(connection, [replace(random_row(luck), slot_at=BEGAN + timedelta(minutes=minute))])

    def waiting() -> list[UUID]:
        found = connection.execute("SELECT agent_id FROM vantage.ingested ORDER BY id").fetchall()
        return [agent_id for (agent_id,) in found]

    before = waiting()
    roll_up(connection, before.count(before[0]))
    rest = [agent_id for agent_id in before if agent_id != before[0]]
    assert waiting() == rest
    assert before.index(rest[0]) < before.count(before[0])
    roll_up(connection, 1)
    assert len(waiting()) == len(rest) - 1


def rebuild(connection: psycopg.Connection[Any], from_at: Any) -> None:
    connection.execute("SELECT vantage.rebuild_rollups(%s, %s)", [from_at, BEGAN + 3 * DAY])


def test_rollups_are_made_anew(connection: psycopg.Connection[Any]) -> None:
    """From rows that nobody told of, some of them told of and not rolled up yet."""
    luck = random.Random(7)
    told, untold = ([random_row(luck) for _ in range(120)] for _ in range(2))
    ingest(connection, told[:60])
    roll_up(connection)
    ingest(connection, told[60:])
    insert(connection, untold)
    # An hour is being added to its day.
    connection.execute("SELECT vantage.sum_up_hour(1)")
    with pytest.raises(errors.RaiseException, match="REPEATABLE READ"):
        rebuild(connection, BEGAN)
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    rebuild(connection, BEGAN)
    connection.execute("COMMIT")
    matches(connection, told + untold)


def test_an_hour_is_summed_up_when_it_is_over(connection: psycopg.Connection[Any]) -> None:
    asked = "UPDATE vantage.rollup_progress SET hours_to_at = now() - %s::interval"
    connection.execute(asked, ["1 hour 1 minute"])
    assert connection.execute("SELECT vantage.sum_up_hour()").fetchone() == (None,)
    connection.execute(asked, ["1 hour 3 minutes"])
    assert connection.execute("SELECT vantage.sum_up_hour()").fetchone() != (None,)
    assert connection.execute("SELECT vantage.sum_up_hour()").fetchone() == (None,)


def test_due_slots_stand_beside_those_that_were_run(
    database: Database, connection: psycopg.Connection[Any]
) -> None:
    """Every minute from fra only; of the present hour only what is past."""
    rows = [random_row(random.Random(seed)) for seed in range(200)]
    with psycopg.connect(database.url()) as owner:
        owner.execute("UPDATE vantage.monitor_definitions SET locations = '{fra}'")
    ingest(connection, rows)
    roll_up_all(connection)
    for view, slots in (("results_1m", 1), ("results_1h", 60), ("results_1d", 1440)):
        found = connection.execute(
            f"SELECT DISTINCT location, due FROM vantage.{view} ORDER BY 1".encode()
        ).fetchall()
        assert found == [("fra", slots), ("sin", 0)]


def test_upgrading_rolls_up_what_is_there(connection: psycopg.Connection[Any]) -> None:
    """The statement of the migration, over rows that came in many transactions."""
    from collector.db import SQL

    luck = random.Random(9)
    rows = [random_row(luck) for _ in range(200)]
    for begin in range(0, 200, 40):
        insert(connection, rows[begin : begin + 40])
    [path] = (SQL / "migrations").glob("*_create_rollups.sql")
    statement = path.read_text().rpartition("-- What was stored before")[2].partition("\n")[2]
    # Columns that were there at the time.
    statement = statement.replace("location, monitor_ids)", "location)")
    statement = statement.replace(",\n    array_agg(DISTINCT monitor_id)", "")
    connection.execute(statement.encode())
    roll_up_all(connection)
    matches(connection, rows)
