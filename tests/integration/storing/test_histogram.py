"""Percentiles from merged histograms, held against the values themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.database import Databases

STATED_ERROR = 0.048
MOST = 2**31 - 1
DURATIONS = st.one_of(
    st.integers(0, MOST), st.integers(0, 100), st.integers(10_000, 400_000), st.just(MOST)
)


@pytest.fixture(scope="module")
def connection(databases: Databases) -> Iterator[psycopg.Connection[Any]]:
    """As an SRE, who may read."""
    with (
        databases.migrated() as database,
        psycopg.connect(database.url(role="vantage_reader"), autocommit=True) as connection,
    ):
        yield connection


def value(connection: psycopg.Connection[Any], statement: str, *parameters: Any) -> Any:
    row = connection.execute(statement.encode(), parameters).fetchone()
    assert row is not None
    return row[0]


@settings(max_examples=150)
@given(
    groups=st.lists(st.lists(DURATIONS, min_size=1, max_size=60), min_size=1, max_size=8),
    fraction=st.sampled_from([0.0, 0.01, 0.5, 0.9, 0.95, 0.99, 1.0]),
)
def test_a_merged_percentile_is_within_the_stated_error(
    connection: psycopg.Connection[Any], groups: list[list[int]], fraction: float
) -> None:
    found = value(
        connection,
        "SELECT vantage.percentile(vantage.merge(part), %s) FROM ("
        " SELECT vantage.merge(vantage.histogram(us)) AS part"
        " FROM unnest(%s::integer[], %s::integer[]) AS given (n, us) GROUP BY n) AS parts",
        fraction,
        [number for number, group in enumerate(groups) for _ in group],
        [us for group in groups for us in group],
    )
    every = sorted(us for group in groups for us in group)
    exact = every[max(0, math.ceil(fraction * len(every)) - 1)]
    assert abs(found - exact) <= STATED_ERROR * exact


@settings(max_examples=50)
@given(values=st.lists(DURATIONS, max_size=100))
def test_nothing_is_lost_in_a_histogram(
    connection: psycopg.Connection[Any], values: list[int]
) -> None:
    rows = connection.execute(
        "SELECT (vantage.histogram_buckets(vantage.merge(vantage.histogram(us)))).*"
        " FROM unnest(%s::integer[]) AS given (us)",
        [values],
    ).fetchall()
    for from_us, to_us, count in rows:
        assert count == sum(from_us <= us and (to_us is None or us < to_us) for us in values)
    assert sum(row[2] for row in rows) == len(values)


def test_every_bucket_is_found_again(connection: psycopg.Connection[Any]) -> None:
    bounds = value(connection, "SELECT vantage.histogram_bounds()")
    assert (bounds[:12], sorted(set(bounds))) == ([*range(11), 12], bounds)
    last = [bound - 1 for bound in bounds[1:]] + [MOST]
    for us in [*bounds, *last]:
        found = value(connection, "SELECT vantage.percentile(vantage.histogram(%s), 0.5)", us)
        assert abs(found - us) <= STATED_ERROR * us


def test_counts_beyond_any_integer_do_not_run_over(connection: psycopg.Connection[Any]) -> None:
    many = "vantage.histogram(7) * 40000000000 + vantage.histogram(900) * 50000000000"
    assert value(connection, f"SELECT vantage.histogram_count({many})") == 90_000_000_000
    assert value(connection, f"SELECT vantage.percentile({many}, 0.44)") == 7


@pytest.mark.parametrize(
    "nothing",
    [
        "vantage.percentile(0, 0.5)",
        "vantage.percentile(NULL, 0.5)",
        "vantage.percentile(vantage.histogram(1), 1.5)",
        "vantage.percentile(vantage.histogram(1), 'NaN')",
        "vantage.histogram(NULL)",
        "vantage.histogram(-1)",
    ],
)
def test_nothing_has_no_percentile(connection: psycopg.Connection[Any], nothing: str) -> None:
    assert value(connection, f"SELECT {nothing}") is None


def test_codes_are_counted_and_merged(connection: psycopg.Connection[Any]) -> None:
    codes = "(VALUES ('a', 1), ('b', 1), ('a', 2), (NULL, 2), (NULL, 3)) AS given (code, part)"
    merged = value(
        connection,
        "SELECT vantage.merge_counts(counts) FROM"
        f" (SELECT vantage.count_by(code) AS counts FROM {codes} GROUP BY part) AS parts",
    )
    assert merged == {"a": 2, "b": 1}
    assert value(connection, f"SELECT vantage.count_by(code) FROM {codes} WHERE part = 3") is None
