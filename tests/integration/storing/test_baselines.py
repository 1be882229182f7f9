"""What is usual, held against the results themselves; and what is slower than that."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from collector import db
from tests.support import usual
from tests.support.database import Database
from tests.support.history import BEGAN, Row, ingest, random_row

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
# A Tuesday afternoon after seven weeks of results.
AT = BEGAN + 7 * WEEK + 2 * DAY + timedelta(hours=14, minutes=20)
HOUR_AT = AT.replace(minute=0)
PHASES = ("total", "dns", "connect", "tls", "send", "wait", "receive")
# A histogram's bucket is a tenth wide; its percentile is within 4.8 %.
ERROR = 0.048


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database.url(role="vantage_collector"), autocommit=True) as connection:
        connection.row_factory = dict_row  # type: ignore[assignment]
        connection.execute("INSERT INTO vantage.accounts (name) VALUES ('acme')")
        connection.execute(
            "INSERT INTO vantage.locations (name, title) VALUES ('fra', 'F'), ('sin', 'S')"
        )
        connection.execute(
            "INSERT INTO vantage.monitors (account_id, name, url, created_at, is_everywhere)"
            " SELECT 1, 'm', 'http://a.example/', %s, true FROM generate_series(1, 3)",
            [BEGAN],
        )
        connection.execute(
            "INSERT INTO vantage.monitor_locations SELECT monitors.id, locations.name"
            " FROM vantage.monitors CROSS JOIN vantage.locations ON CONFLICT DO NOTHING"
        )
        yield connection


def store(connection: psycopg.Connection[Any], rows: list[Row]) -> None:
    ingest(connection, rows)
    while connection.execute("SELECT results FROM vantage.roll_up()").fetchone()["results"]:  # type: ignore[index]
        pass


def weekly(luck: random.Random) -> list[Row]:
    """Results about the hour of seven weeks, and its neighbours; of monitor 3 only a few."""
    rows = []
    for week in range(7):
        for _ in range(90):
            row = random_row(luck)
            if row.monitor_id == 3 and luck.random() < 0.9:
                continue
            if row.monitor_id == 2 and week > 1:
                continue
            before = week * WEEK + luck.choice([timedelta(), timedelta(), HOUR, DAY])
            slot_at = HOUR_AT - before + timedelta(seconds=luck.randrange(3600))
            rows.append(Row(**{**vars_of(row), "slot_at": slot_at}))
    return rows


def vars_of(row: Row) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def timed(rows: list[Row], hour_at: datetime, monitor: int, location: str, phase: str) -> list[int]:
    values = [
        row.total_us if phase == "total" else row.phase(phase)
        for row in rows
        if row.monitor_id == monitor
        and row.location == location
        and hour_at <= row.slot_at < hour_at + HOUR
        and row.is_timed
        and not row.is_extra
    ]
    return [us for us in values if us is not None]


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_usual_is_what_the_results_say(
    connection: psycopg.Connection[Any], seed: int
) -> None:
    rows = weekly(random.Random(seed))
    store(connection, rows)
    connection.execute("SELECT vantage.keep_baselines(%s)", [AT])
    kept = {
        (row["monitor_id"], row["location"], row["phase"]): row
        for row in connection.execute(
            "SELECT * FROM vantage.baselines WHERE hour_at = %s", [HOUR_AT]
        ).fetchall()
    }
    known = defaultdict(int)  # type: ignore[var-annotated]
    for monitor in (1, 2, 3):
        for location in ("fra", "sin"):
            for phase in PHASES:
                hours = [HOUR_AT - week * WEEK for week in range(1, 7)]
                wanted = usual.usual(
                    [timed(rows, hour, monitor, location, phase) for hour in hours],
                    timed(rows, HOUR_AT - DAY, monitor, location, phase),
                )
                found = kept.get((monitor, location, phase))
                if found is None:
                    assert (wanted.results, wanted.day_before_us) == (0, None)
                    continue
                assert (found["weeks"], found["results"]) == (wanted.weeks, wanted.results)
                assert found["usual_us"] == near(wanted.usual_us)
                assert found["day_before_us"] == near(wanted.day_before_us)
                known[monitor] += wanted.usual_us is not None
                if wanted.spread_us is not None:
                    # The difference of two percentiles, each with its error.
                    assert abs(found["spread_us"] - wanted.spread_us) <= 2 * ERROR * 2 * (
                        wanted.usual_us + wanted.spread_us
                    )
    assert known[1] >= 12
    assert known[2] == 0  # a week of them is no history
    [[again]] = [
        row.values()
        for row in connection.execute("SELECT vantage.keep_baselines(%s)", [AT]).fetchall()
    ]
    assert again == len(kept)


def near(us: float | None) -> Any:
    return None if us is None else pytest.approx(us, rel=ERROR + 0.001, abs=2)


def test_slower_is_what_the_rule_says(connection: psycopg.Connection[Any]) -> None:
    luck = random.Random(3)
    for _ in range(300):
        usual_us = luck.choice([None, luck.randrange(1, 60_000)])
        spread_us = luck.randrange(60_000)
        level_us = luck.randrange(200_000)
        factor = luck.choice([1.5, 2, 3])
        baseline = usual.Usual(6, 60, usual_us, spread_us, None)
        row = connection.execute(
            "SELECT COALESCE(vantage.is_slower(%s, %s, %s, %s::numeric), false) AS found",
            [level_us, usual_us, spread_us, factor],
        ).fetchone()
        assert row == {"found": usual.is_slower(level_us, [baseline], factor)}


def test_only_what_is_slow_for_long_and_was_not_yesterday_is_slower(
    connection: psycopg.Connection[Any],
) -> None:
    """Over the statement that verdicts ask: usually 50 ms, now 200 ms."""
    connection.execute(
        "UPDATE vantage.alert_rules SET slower_factor = 3, slower_phase = 'tls', slower_for_s = 900"
    )
    connection.execute(
        "INSERT INTO vantage.baselines (hour_at, monitor_id, location, phase, weeks, results,"
        " usual_us, spread_us) SELECT date_bin('1 hour', now(), 'epoch')"
        " - back * INTERVAL '1 hour', monitor_id, location, 'tls', 6, 360, 50000, 8000"
        " FROM vantage.monitor_locations CROSS JOIN generate_series(0, 1) AS back"
    )
    connection.execute("UPDATE vantage.baselines SET day_before_us = 100000 WHERE monitor_id = 2")
    now = connection.execute("SELECT now() AS now").fetchone()["now"]  # type: ignore[index]
    base = vars_of(random_row(random.Random(1)))
    rows = []
    for monitor in (1, 2, 3):
        for location in ("fra", "sin"):
            for minute in range(20):
                # From Singapore, and of monitor 3, it has just begun.
                has_begun = minute < 4 if location == "sin" or monitor == 3 else True
                rows.append(
                    Row(
                        **{
                            **base,
                            "slot_at": now - timedelta(minutes=minute, seconds=30),
                            "monitor_id": monitor,
                            "location": location,
                            "outcome": "up",
                            "failure": None,
                            "suspect": False,
                            "tls_us": 200_000 if has_begun else 50_000,
                        }
                    )
                )
    store(connection, rows)
    statement = db.queries("verdicts")["slower"]
    found = connection.execute(statement).fetchall()
    assert [tuple(row.values()) for row in found] == [(1, "fra", "tls", 200_000, 50_000)]
    # Half way back is twice as long as usual.
    connection.execute(
        "INSERT INTO vantage.verdicts (monitor_id, state, since_at, judged_at, voting, needed,"
        " failing, slow, slower) VALUES (1, 'degraded', now(), now(), 2, 2, '{}', '{}', '{fra}')"
    )
    for usual_us, is_still in ((90_000, True), (110_000, False)):
        connection.execute(
            "UPDATE vantage.baselines SET usual_us = %s WHERE monitor_id = 1", [usual_us]
        )
        assert bool(connection.execute(statement).fetchall()) is is_still
    connection.execute("UPDATE vantage.baselines SET usual_us = NULL WHERE monitor_id = 1")
    assert connection.execute(statement).fetchall() == []
