"""What is read from hours and tens of minutes, held against the same from the results."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from dashboard.queries import by_width, statements
from tests.support.database import Databases
from tests.support.seed import seed

ERROR = 0.048
NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
LOCATIONS = ["fra", "gru", "sin"]
Rows = dict[tuple[Any, ...], dict[str, Any]]


@pytest.fixture(scope="module")
def connection(databases: Databases) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """The report centre's own, over a seeded day with suspects and a page's downloads in it."""
    with databases.migrated() as database:
        seed(database.url(), now=NOW)
        with psycopg.connect(database.url()) as owner:
            owner.execute(
                "UPDATE vantage.results SET suspect = extract(second FROM started_at)::int % 7 = 0,"
                " total_us = total_us + 40000, resources_us = 40000"
            )
        with psycopg.connect(database.url(), autocommit=True) as owner, owner.transaction():
            owner.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            owner.execute("SELECT vantage.rebuild_rollups(%s, %s)", [NOW - 26 * HOUR, NOW])
        with psycopg.connect(database.url(), autocommit=True) as owner:
            while owner.execute("SELECT vantage.sum_up_medians()").fetchone() != (None,):
                pass
            [(made,)] = owner.execute("SELECT count(*) FROM vantage.medians")
            assert made > 1000
        with psycopg.connect(
            database.url(role="vantage_dashboard"), autocommit=True, row_factory=dict_row
        ) as visiting:
            visiting.execute("SELECT set_config('vantage.account_id', '1', false)")
            yield visiting


def read(connection: psycopg.Connection[dict[str, Any]], name: str, **changes: object) -> Rows:
    """The rows by what they are about."""
    parameters = {
        "monitor_id": 1,
        "locations": LOCATIONS,
        "from_at": NOW - 24 * HOUR,
        "to_at": NOW,
        "settled_at": NOW - timedelta(seconds=60),
        **changes,
    }
    rows = connection.execute(statements()[name].encode(), parameters).fetchall()
    keys = [key for key in ("location", "is_shown", "bucket_at") if rows and key in rows[0]]
    return {tuple(row.pop(key) for key in keys): row for row in rows}


def agree(exact: Rows, summed: Rows) -> None:
    """Counts are equal, durations within the histogram's error."""
    assert len(exact) > 1
    assert exact.keys() == summed.keys()
    for key, row in summed.items():
        for name, value in row.items():
            if name.endswith("_us") and value is not None:
                assert value == pytest.approx(exact[key][name], rel=ERROR, abs=1), (key, name)
            else:
                assert value == exact[key][name], (key, name)


def test_the_figures_of_a_day(connection: psycopg.Connection[dict[str, Any]]) -> None:
    """Parts of hours at either end, and a moment after which results are too young."""
    exact = read(connection, "monitor_stats")
    agree(exact, read(connection, "monitor_stats_1h"))
    assert all(row["settled"] < row["checks"] for row in exact.values())


def test_a_span_within_one_hour(connection: psycopg.Connection[dict[str, Any]]) -> None:
    begin = NOW.replace(minute=0, second=0, microsecond=0) - 3 * HOUR
    within = {
        "from_at": begin + HOUR / 4,
        "to_at": begin + HOUR / 2,
        "settled_at": begin + HOUR / 2,
    }
    agree(
        read(connection, "monitor_stats", **within), read(connection, "monitor_stats_1h", **within)
    )


def test_the_figures_of_days(connection: psycopg.Connection[dict[str, Any]]) -> None:
    """A whole day and the hours of the one that is not over, then results."""
    span = {"from_at": NOW.replace(hour=0, minute=0, second=0, microsecond=0) - 24 * HOUR}
    exact = read(connection, "monitor_stats", **span)
    agree(exact, read(connection, "monitor_stats_1d", **span))


@pytest.mark.parametrize("hours", [1, 6, 24])
@pytest.mark.parametrize("name", ["heat", "bands"])
def test_buckets(connection: psycopg.Connection[dict[str, Any]], name: str, hours: int) -> None:
    width = hours * HOUR
    begin = datetime.fromtimestamp(
        NOW.timestamp() // width.total_seconds() * width.total_seconds(), UTC
    )
    span = {"bucket": width, "from_at": begin - max(18 * HOUR, width)}
    summed = f"{name}_1d" if hours == 24 else f"{name}_1h"
    assert by_width(name, width) == summed
    agree(read(connection, name, **span), read(connection, summed, **span))


@pytest.mark.parametrize("minutes", [10, 30])
def test_tens_of_minutes(connection: psycopg.Connection[dict[str, Any]], minutes: int) -> None:
    """The very results, where a bucket is one of them; else one about as fast as the median."""
    width = timedelta(minutes=minutes)
    begin = NOW.replace(minute=0, second=0, microsecond=0) - 20 * HOUR
    span = {"bucket": width, "from_at": begin}
    names = [by_width(name, width) for name in ("series", "heat", "bands")]
    assert names == [f"series_{minutes}m", "heat_10m", "bands"]
    exact, summed = read(connection, "series", **span), read(connection, names[0], **span)
    # None of this hour yet, in its first minute.
    assert len(exact) >= 3 * 20 * 60 / minutes
    if minutes == 10:
        assert summed == exact
    for key, row in exact.items():
        kept = ("checks", "failed", "failed_slot_at")
        assert [summed[key][name] for name in kept] == [row[name] for name in kept]
        assert (summed[key]["slot_at"] is None) is (row["slot_at"] is None)
    assert exact.keys() == summed.keys()
    agree(read(connection, "heat", **span), read(connection, "heat_10m", **span))


def test_a_series(connection: psycopg.Connection[dict[str, Any]]) -> None:
    """Totals agree; phases are those of all results, so they are held against their sums."""
    begin = NOW.replace(minute=0, second=0, microsecond=0)
    span = {"bucket": HOUR, "from_at": begin - 18 * HOUR}
    exact, summed = read(connection, "series", **span), read(connection, "series_1h", **span)
    kept = ("checks", "failed", "total_us")
    for row in exact.values():
        if row["checks"] == row["failed"]:
            row["total_us"] = None
    agree(
        *(
            {key: {name: row[name] for name in kept} for key, row in rows.items()}
            for rows in (exact, summed)
        )
    )
    hours = connection.execute(
        "SELECT * FROM report.results_1h"
        " WHERE monitor_id = 1 AND location = ANY(%s) AND bucket_at >= %s",
        [LOCATIONS, span["from_at"]],
    ).fetchall()
    for hour in (hour for hour in hours if hour["timed"]):
        row = summed[hour["location"], hour["bucket_at"]]
        assert row["slot_at"] is None
        for phase in ("redirect", "dns", "connect", "tls", "receive", "resources"):
            share = hour[f"{phase}_sum_us"] / hour["total_sum_us"]
            assert row[f"{phase}_us"] == pytest.approx(row["total_us"] * share, abs=1), phase
        phases = ("redirect", "dns", "connect", "tls", "wait", "receive", "resources")
        assert sum(row[f"{name}_us"] for name in phases) == pytest.approx(row["total_us"], abs=4)
