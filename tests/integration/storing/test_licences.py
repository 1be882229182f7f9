"""What the end of a licence pauses, and that owners are told of each step once, day by day."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from collector import db
from tests.support.collector import configure
from tests.support.database import Database, Databases

DAY = timedelta(days=1)
START = datetime(2027, 1, 1, 9, tzinfo=UTC)
DEFINITIONS = "SELECT valid_to_at IS NULL FROM vantage.monitor_definitions ORDER BY valid_from_at"


class Account:
    """Account 1 with two monitors, one of which rests anyhow, and two owners."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self.connection = connection

    def execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        cursor = self.connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []

    def licence(self, ends_at: datetime | None, grace_days: int = 14, trial: bool = False) -> None:
        self.execute(
            "UPDATE vantage.accounts SET licence_ends_at = %s, grace_days = %s, is_trial = %s",
            ends_at,
            grace_days,
            trial,
        )

    def paused(self) -> list[object]:
        rows = self.execute("SELECT paused_at IS NOT NULL FROM vantage.monitors ORDER BY id")
        return [paused for (paused,) in rows]

    def told(self, at: datetime) -> list[str]:
        """What is decided at an instant: kind and person."""
        [(made,)] = self.execute("SELECT vantage.decide_licence_mails(%s)", at)
        newest = "SELECT kind, user_id FROM vantage.mails ORDER BY id DESC LIMIT %s"
        return sorted(f"{kind} {user_id}" for kind, user_id in self.execute(newest, made))

    def news(self, days: int) -> list[tuple[int, str]]:
        """On which day what is told to both owners; looked at every six hours."""
        looks = self.execute(
            "SELECT at FROM generate_series(%s, %s, INTERVAL '6 hours') AS at"
            " WHERE vantage.decide_licence_mails(at) = 2",
            START,
            START + days * DAY,
        )
        kinds = self.execute("SELECT kind FROM vantage.mails WHERE user_id = 1 ORDER BY id")
        found = zip(looks, kinds, strict=True)
        return [((at - START) // DAY, kind) for (at,), (kind,) in found]


@pytest.fixture(scope="module")
def migrated(databases: Databases) -> Iterator[Database]:
    with databases.migrated() as database:
        yield database


@pytest.fixture
def account(migrated: Database) -> Iterator[Account]:
    with psycopg.connect(migrated.url(), autocommit=True) as connection:
        connection.execute(
            "TRUNCATE vantage.accounts, vantage.locations, vantage.monitor_definitions"
            " RESTART IDENTITY CASCADE"
        )
    configure(migrated.url(), locations=("a",), monitors=2)
    with psycopg.connect(migrated.url(role="vantage_collector"), autocommit=True) as connection:
        opened = Account(connection)
        opened.execute(
            "INSERT INTO vantage.users (account_id, email, name, role) VALUES"
            " (1, 'second@x.example', 'Second', 'owner'), (1, 'v@x.example', 'V', 'viewer')"
        )
        opened.execute("UPDATE vantage.monitors SET paused_at = now() WHERE id = 2")
        yield opened


def test_an_expired_licence_pauses_what_is_probed_until_it_is_renewed(account: Account) -> None:
    now = datetime.now(UTC)
    account.licence(now - DAY)
    assert account.paused() == [False, True]
    account.licence(now - DAY, grace_days=0)
    assert account.paused() == [True, True]
    # Nothing is due from then on, so there is nothing to be up, down or missing.
    assert account.execute(DEFINITIONS) == [(False,), (False,)]
    account.licence(now + DAY)
    assert account.paused() == [False, True]
    assert account.execute(DEFINITIONS) == [(False,), (False,), (True,)]


def test_time_alone_ends_a_licence_as_soon_as_a_collector_looks(account: Account) -> None:
    account.licence(datetime.now(UTC) + timedelta(seconds=1), grace_days=0)
    look = db.queries("upkeep")["enforce_licences"]
    assert account.connection.execute(look).fetchall() == []
    time.sleep(1.1)
    assert account.paused() == [False, True]
    assert account.connection.execute(look).fetchall() == [("customer", 1)]
    assert account.connection.execute(look).fetchall() == []
    assert account.paused() == [True, True]


def test_what_rests_for_the_licence_goes_on_by_nothing_else(account: Account) -> None:
    account.licence(datetime.now(UTC) - DAY, grace_days=0)
    with pytest.raises(psycopg.Error, match=r"ended on .*: nothing can be added or changed"):
        account.execute("UPDATE vantage.monitors SET paused_at = NULL WHERE id = 1")
    # Asked to rest by a person as well, it rests on.
    account.execute("UPDATE vantage.monitors SET is_paused_by_licence = false WHERE id = 1")
    account.licence(None)
    assert account.paused() == [True, True]


def test_owners_are_told_of_a_trial_and_its_end_once(account: Account) -> None:
    account.licence(START + 30 * DAY, trial=True)
    assert account.news(400) == [
        (23, "trial_ends"),
        (29, "trial_ends"),
        (30, "grace_began"),
        (44, "expired"),
    ]
    steps = Counter(account.execute("SELECT user_id, step FROM vantage.mails"))
    assert set(steps.values()) == {1}
    assert {user_id for user_id, _ in steps} == {1, 2}


def test_owners_are_told_of_a_licence_and_that_it_was_renewed(account: Account) -> None:
    account.licence(START + 30 * DAY)
    assert account.news(39) == [
        (16, "licence_ends"),
        (23, "licence_ends"),
        (29, "licence_ends"),
        (30, "grace_began"),
    ]
    account.licence(START + 100 * DAY)
    at = START + 40 * DAY
    assert account.told(at) == ["renewed 1", "renewed 2"]
    assert account.told(at) == []
    # What follows is about the new end, also where the first of it was missed.
    assert account.told(START + 95 * DAY) == ["licence_ends 1", "licence_ends 2"]
    account.licence(None)
    assert account.told(START + 95 * DAY) == ["renewed 1", "renewed 2"]
    assert account.told(START + 900 * DAY) == []


def test_nobody_is_told_of_what_does_not_end_or_is_gone(account: Account) -> None:
    account.licence(None)
    assert account.told(START) == []
    account.licence(START)
    account.execute("UPDATE vantage.accounts SET deleted_at = now()")
    assert account.told(START) == []


def test_who_becomes_an_owner_later_is_not_told_again(account: Account) -> None:
    account.licence(START)
    assert len(account.told(START + DAY)) == 2
    account.execute("UPDATE vantage.users SET role = 'owner'")
    assert account.told(START + 2 * DAY) == []
