"""Availability, held against counting by hand every slot and every result."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.support.database import Database
from tests.support.history import BEGAN, Row, ingest, random_row

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CHANGED_AT = BEGAN + timedelta(hours=30)
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """Three monitors at two locations; the first one's interval was changed once."""
    with psycopg.connect(database.url(), autocommit=True) as connection:
        for statement in (
            "INSERT INTO vantage.accounts (name) VALUES ('one'), ('two')",
            "INSERT INTO vantage.locations (name, title) VALUES ('fra', 'F'), ('sin', 'S')",
            "INSERT INTO vantage.monitors (account_id, name, url) SELECT 1 + n / 3, 'm',"
            " 'http://a.example/' FROM generate_series(1, 3) AS n",
            "INSERT INTO vantage.monitor_locations SELECT monitors.id, locations.name FROM"
            " vantage.monitors, vantage.locations",
            "DELETE FROM vantage.monitor_definitions WHERE valid_to_at IS NOT NULL",
        ):
            connection.execute(statement.encode())
        connection.execute(
            "UPDATE vantage.monitor_definitions SET valid_from_at = %s, interval_s = 300", [BEGAN]
        )
        connection.execute(
            "UPDATE vantage.monitor_definitions SET valid_to_at = %s WHERE monitor_id = 1",
            [CHANGED_AT],
        )
        connection.execute(
            "INSERT INTO vantage.monitor_definitions VALUES (1, %s, NULL, 60, '{fra}', '{}')",
            [CHANGED_AT],
        )
        # Of the second day 16 hours are summed up, of the first monitor one more.
        connection.execute(
            "UPDATE vantage.rollup_progress SET hours_from_at = %s, hours_to_at = %s,"
            " hours_monitor_id = 2",
            [BEGAN + timedelta(hours=7), BEGAN + timedelta(hours=40)],
        )
        yield connection


def slots(connection: psycopg.Connection[Any], monitor: int, location: str) -> list[datetime]:
    """Every slot of the three days."""
    definitions: list[tuple[datetime, datetime, int, tuple[str, ...]]]
    definitions = [(BEGAN, BEGAN + timedelta(3), 300, ("fra", "sin"))]
    if monitor == 1:
        definitions = [
            (BEGAN, CHANGED_AT, 300, ("fra", "sin")),
            (CHANGED_AT, BEGAN + timedelta(3), 60, ("fra",)),
        ]
    found = []
    for from_at, to_at, interval_s, locations in definitions:
        if location not in locations:
            continue
        row = connection.execute(
            "SELECT vantage.slot_offset_us(%s, %s, %s)", [monitor, location, interval_s]
        ).fetchone()
        assert row is not None
        width = timedelta(seconds=interval_s)
        slot = EPOCH + (from_at - EPOCH) // width * width + row[0] * MICROSECOND
        while slot < to_at:
            if slot >= from_at:
                found.append(slot)
            slot += width
    return found


def by_hand(
    slots: list[datetime],
    rows: list[Row],
    span: tuple[datetime, datetime],
    maintenance: list[tuple[datetime, datetime]],
) -> dict[str, Any]:
    def counts(at: datetime) -> bool:
        return span[0] <= at < span[1] and not any(a <= at < b for a, b in maintenance)

    rows = [row for row in rows if counts(row.slot_at) and not row.is_extra]
    due = sum(map(counts, slots))
    down = [row for row in rows if row.outcome == "down"]
    judged = len(rows) - sum(row.suspect for row in down)
    passed = len(rows) - len(down)
    percent = Decimal(passed * 100) / judged if judged else None
    return {
        "due": due,
        "run": len(rows),
        "missing": max(0, due - len(rows)),
        "down": len(down),
        "suspect_down": len(rows) - judged,
        "passed": passed,
        "judged": judged,
        "availability": percent and percent.quantize(Decimal("0.001"), ROUND_DOWN),
    }


@pytest.mark.parametrize(("seed", "maintained"), [(0, 4), (1, 4), (2, 4), (3, 0)])
def test_availability_is_what_counting_by_hand_finds(
    connection: psycopg.Connection[Any], seed: int, maintained: int
) -> None:
    luck = random.Random(seed)
    rows = [random_row(luck) for _ in range(1_500)]
    ingest(connection, rows)
    connection.execute("SELECT vantage.roll_up()")
    connection.execute("SELECT vantage.roll_up()")

    def instant() -> datetime:
        return BEGAN + timedelta(minutes=luck.randrange(3 * 1440))

    windows: list[tuple[int, int | None, datetime, datetime]] = []
    for _ in range(maintained):
        from_at, to_at = sorted([instant(), instant() + timedelta(minutes=7)])
        account, monitor = luck.choice([(1, None), (1, 1), (1, 2), (2, 3), (2, None)])
        windows.append((account, monitor, from_at, min(to_at, from_at + timedelta(hours=9))))
        connection.execute(
            "INSERT INTO vantage.maintenance (account_id, monitor_id, from_at, to_at)"
            " VALUES (%s, %s, %s, %s)",
            windows[-1],
        )
    spans = [sorted([instant(), instant() + timedelta(minutes=1)]) for _ in range(6)]
    for hours in (39, 40, 41):  # as far as the present day has come
        spans.append([BEGAN, BEGAN + timedelta(hours=hours)])
    for from_at, to_at in spans:
        with connection.cursor(row_factory=dict_row) as cursor:
            found = cursor.execute(
                "SELECT * FROM vantage.availability(%s, %s)", [from_at, to_at]
            ).fetchall()
        told = {(row["monitor_id"], row["location"]): row for row in found}
        for monitor, location in {
            *told,
            *((m, place) for m in (1, 2, 3) for place in ("fra", "sin")),
        }:
            expected = by_hand(
                slots(connection, monitor, location),
                [r for r in rows if (r.monitor_id, r.location) == (monitor, location)],
                (from_at, to_at),
                [
                    (begin, end)
                    for account, about, begin, end in windows
                    if account == 1 + monitor // 3 and about in (None, monitor)
                ],
            )
            if row := told.get((monitor, location)):
                assert {name: row[name] for name in expected} == expected, (row, from_at, to_at)
            else:
                assert expected["due"] == 0, (monitor, location, from_at, to_at)


def test_a_slot_without_a_result_is_never_up(connection: psycopg.Connection[Any]) -> None:
    [row] = connection.execute(
        "SELECT due, run, missing, passed, judged, availability, coverage"
        " FROM vantage.availability(%s, %s, '{2}') WHERE location = 'fra'",
        [BEGAN, BEGAN + timedelta(hours=1)],
    ).fetchall()
    assert row == (12, 0, 12, 0, 0, None, 0)


@pytest.mark.parametrize(
    ("part", "whole", "percent"),
    [(99_999, 100_000, "99.999"), (999_999, 1_000_000, "99.999"), (1, 1, "100"), (0, 5, "0")],
)
def test_percentages_are_rounded_down(
    connection: psycopg.Connection[Any], part: int, whole: int, percent: str
) -> None:
    row = connection.execute("SELECT vantage.percent(%s, %s)", [part, whole]).fetchone()
    assert row == (Decimal(percent),)


def test_the_report_centre_counts_its_own_account_only(
    database: Database, connection: psycopg.Connection[Any]
) -> None:
    with psycopg.connect(database.url(role="vantage_dashboard")) as centre:
        asked = "SELECT DISTINCT monitor_id FROM report.availability(%s, %s) ORDER BY 1"
        for account, monitors in (("1", [1, 2]), ("2", [3]), ("", [])):
            centre.execute("SELECT set_config('vantage.account_id', %s, true)", [account])
            found = centre.execute(asked, [BEGAN, BEGAN + timedelta(1)]).fetchall()
            assert [row[0] for row in found] == monitors
