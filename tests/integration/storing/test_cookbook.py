"""Every query of docs/sql-cookbook.md, run as its reader would, with the answer it must give; those
of the other pages are run, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.database import Database, Databases
from tests.support.seed import seed

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "sql-cookbook.md"
QUERIES = re.findall(
    r"^## (\d+)\. .*?```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)
ELSEWHERE = [
    pytest.param(sql, id=f"{page.name} {number}")
    for page in sorted({ROOT / "README.md", *(ROOT / "docs").rglob("*.md")} - {PAGE})
    for number, sql in enumerate(
        re.findall(r"^```sql\n(.*?)```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    )
]
CHECKOUT, HOME, PICTURES, REDIRECTED = (
    "Checkout · cart page",
    "Home page",
    "Product pictures",
    "Old shop, redirected",
)
Rows = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def seeded(databases: Databases) -> Iterator[Database]:
    """The seeded day, with an agent that is silent and off, and what could not be stored."""
    with databases.migrated() as database:
        seed(database.url(), now=datetime.now(UTC))
        with psycopg.connect(database.url()) as owner:
            # However long it takes to get there, one agent alone is silent.
            owner.execute("UPDATE vantage.agents SET last_seen_at = now() + INTERVAL '1 h'")
            owner.execute(
                "UPDATE vantage.agents SET clock_offset_us = 250000, clock_uncertainty_us = 900,"
                " last_seen_at = now() - INTERVAL '1 h' WHERE location = 'syd'"
            )
            # However long the questions take, of the others was heard a moment ago.
            owner.execute(
                "UPDATE vantage.agents SET last_seen_at = now() + INTERVAL '10 min'"
                " WHERE location <> 'syd'"
            )
            owner.execute(
                "INSERT INTO vantage.quarantine (agent_id, incarnation, seq, reason, payload)"
                " VALUES (gen_random_uuid(), '', 1, 'no result', '')"
            )
        yield database


@pytest.fixture(scope="module")
def answers(seeded: Database) -> dict[int, Rows]:
    """The rows that each query gives back over the seeded day, by its number."""
    with psycopg.connect(seeded.url(role="vantage_reader")) as connection:
        return {int(number): connection.execute(sql.encode()).fetchall() for number, sql in QUERIES}


def test_there_are_twenty_five_questions() -> None:
    assert [int(number) for number, _ in QUERIES] == list(range(1, 26))


def test_what_fails(answers: dict[int, Rows]) -> None:
    assert (CHECKOUT, "sin", "connect_timeout") in [row[:3] for row in answers[1]]
    age = datetime.now(UTC) - answers[2][0][0]
    assert timedelta(minutes=24) < age < timedelta(minutes=32)
    codes = [code for code, _ in answers[11]]
    assert codes[0] in ("connect_timeout", "connect_refused", "http_status", "too_slow")
    assert {"connect_timeout", "http_status"} <= set(codes)
    assert answers[14][0][1] >= 11
    assert all(len(locations) >= 2 for _, _, locations in answers[15])
    assert {monitor for _, monitor in answers[16]} <= {HOME}


def test_what_is_slow(answers: dict[int, Rows]) -> None:
    assert {location: phase for location, phase, _ in answers[3]}["gru"] == "wait"
    assert len(answers[3]) == 5
    assert answers[4][0][:2] == ("Sign-in API", "gru")
    assert answers[4][0][2] > 1.8 * answers[4][0][3]
    assert len(answers[12]) == 7
    assert all(median < p95 for _, median, p95 in answers[12])
    assert sum(count for _, _, count in answers[13]) > 6_000
    assert [name for name, _ in answers[17]] == [REDIRECTED]
    assert 40 < answers[17][0][1] < 75


def test_how_available_it_was(answers: dict[int, Rows]) -> None:
    worst = answers[6][0]
    assert worst[:2] == (CHECKOUT, "sin")
    assert 96 < worst[7] < 98.5
    for _, _, due, run, missing, passed, judged, _, _ in answers[6]:
        assert missing == max(0, due - run)
        assert passed <= judged <= run
    assert answers[7][0][0] == CHECKOUT
    assert answers[7][-1][3] <= 100
    assert answers[8][0][0] == CHECKOUT
    assert answers[8][0][1] < 0
    assert answers[9][0][0] == "syd"
    accounts: dict[str, int] = dict(answers[10])
    assert 39 <= accounts["agent_down"] <= 60  # slots fall due while the questions are asked


def test_certificates_and_addresses(answers: dict[int, Rows]) -> None:
    assert answers[5][0][0] == PICTURES
    assert {str(address) for _, address, *_ in answers[23]} == {"203.0.113.24"}


def test_agents_and_delivery(answers: dict[int, Rows]) -> None:
    assert answers[18] == [("syd-1", "syd", 250)]
    assert [name for name, *_ in answers[19]] == ["syd-1"]
    assert len(answers[20]) == 5
    assert all(suspect < results / 100 for _, suspect, results, _ in answers[20])
    assert all(timedelta(0) < p99 < timedelta(seconds=15) for _, p99 in answers[21])
    assert [row[:2] for row in answers[24]] == [("no result", 1)]


def test_definitions_and_sizes(answers: dict[int, Rows]) -> None:
    assert answers[22][0][1:] == (60, "https://shop.example.com/cart")
    assert answers[25][0][0] == 0


def test_what_never_succeeded_fails_since_the_first_time(seeded: Database) -> None:
    """And NULL is no phase's time: one that no result has is not the slowest."""
    queries = dict(QUERIES)
    with psycopg.connect(seeded.url()) as owner:
        owner.execute(
            "UPDATE vantage.results SET outcome = 'down', failure = 'other'"
            " WHERE monitor_id = 1 AND location = 'sin'"
        )
        owner.execute("UPDATE vantage.rollups_1h SET tls_histogram = NULL WHERE monitor_id = 3")
        since = owner.execute(queries["2"].encode()).fetchall()
        first = owner.execute(
            "SELECT min(slot_at) FROM vantage.results WHERE monitor_id = 1 AND location = 'sin'"
        ).fetchall()
        slowest = owner.execute(queries["3"].encode()).fetchall()
        owner.rollback()
    assert since == first != [(None,)]
    assert all(p95_ms is not None for *_, p95_ms in slowest)


def test_two_customers_monitors_of_one_name_are_two(seeded: Database) -> None:
    with psycopg.connect(seeded.url()) as owner:
        owner.execute("UPDATE vantage.monitors SET name = 'Home'")
        each = {number: owner.execute(sql.encode()).fetchall() for number, sql in QUERIES}
        owner.rollback()
    assert [len(each[number]) for number in ("7", "8", "12")] == [7, 7, 7]


def test_what_rests_is_not_down_now(seeded: Database) -> None:
    with psycopg.connect(seeded.url()) as owner:
        owner.execute("UPDATE vantage.monitors SET paused_at = now()")
        down = owner.execute(dict(QUERIES)["1"].encode()).fetchall()
        owner.rollback()
    assert down == []


@pytest.mark.parametrize("sql", ELSEWHERE)
def test_what_other_pages_ask_is_answered(sql: str, seeded: Database) -> None:
    """As the reader; what changes something, as the role that the page says, about kept days."""
    role = "vantage_reader"
    if sql.startswith("BEGIN"):
        role = "vantage_collector"
        today = datetime.now(UTC).date()
        days = iter((today, today + timedelta(days=1)))
        sql = re.sub(r"'\d{4}-\d\d-\d\d'", lambda _: f"'{next(days)}'", sql)
    with psycopg.connect(seeded.url(role=role), autocommit=True) as connection:
        connection.execute(sql.encode())
