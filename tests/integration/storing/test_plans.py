"""Plans and licences, held to at every door, also by two at one time."""

from __future__ import annotations

import json
import threading
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from collector.operator.main import main
from tests.support.collector import configure
from tests.support.database import Database

ADD = "SELECT report.add_monitor('', 'https://a.example/', {interval}, 10000000, NULL, {places})"


class Installation:
    def __init__(self, database: Database) -> None:
        self.database = database

    def vantage(self, *arguments: str) -> Result:
        url = self.database.url(role="vantage_collector")
        done = CliRunner().invoke(main, [*arguments, f"--database={url}"])
        assert "Traceback" not in done.output
        return done

    def centre(self, statement: str) -> str:
        """What the report centre is told when the account's owner does this; empty: done."""
        with psycopg.connect(self.database.url(role="vantage_dashboard")) as connection:
            connection.execute("SELECT report.enter(1)")
            try:
                connection.execute(statement.encode())
            except psycopg.Error as error:
                if error.sqlstate != "VA409":
                    raise
                return str(error.diag.message_primary)
        return ""

    def add(self, interval: int = 60, places: str = "NULL") -> str:
        return self.centre(ADD.format(interval=interval, places=places))

    def count(self, table: str) -> int:
        with psycopg.connect(self.database.url()) as connection:
            row = connection.execute(f"SELECT count(*) FROM vantage.{table}".encode()).fetchone()
        assert row
        return int(row[0])


@pytest.fixture
def installation(database: Database) -> Installation:
    """An account with one monitor at two locations, and a plan of two monitors."""
    configure(database.url(), locations=("a", "b"))
    installation = Installation(database)
    made = installation.vantage(
        "plan", "set", "small", "--monitors=2", "--interval=30s", "--locations=2", "--members=2"
    )
    assert made.exit_code == 0, made.output
    assert installation.vantage("account", "plan", "small").exit_code == 0
    return installation


def test_no_more_monitors_than_the_plan_has_at_any_door(installation: Installation) -> None:
    assert installation.add() == ""
    sentence = "The plan Small has 2 monitors, and the account has 2."
    assert installation.add().startswith(sentence)
    refused = installation.vantage("monitor", "add", "https://b.example/")
    assert (refused.exit_code, sentence in refused.output) == (1, True)
    # Pausing takes no place away, removing does.
    assert installation.centre("SELECT report.pause_monitor(2, true)") == ""
    assert installation.add() != ""
    assert installation.centre("SELECT report.remove_monitor(2)") == ""
    assert installation.add() == ""


def test_two_who_add_at_one_time_are_counted_one_after_the_other(
    installation: Installation,
) -> None:
    told: list[str] = []
    adding = [threading.Thread(target=lambda: told.append(installation.add())) for _ in range(4)]
    for each in adding:
        each.start()
    for each in adding:
        each.join()
    assert sorted(map(bool, told)) == [False, True, True, True]


def test_no_shorter_interval_and_no_more_locations(installation: Installation) -> None:
    assert "intervals of 30 s and more; 29 s" in installation.add(interval=29)
    assert "29 s" in installation.centre(
        "SELECT report.change_monitor(1, 'm', 'http://127.0.0.1:1/0', 29, 10000000, NULL, NULL)"
    )
    installation.vantage("plan", "set", "small", "--locations=1")
    assert "allows a monitor at most 1 of the locations" in installation.add()
    assert installation.add(places="'{a}'") == ""
    # A location more is no monitor's that has enough.
    assert installation.vantage("location", "add", "c").exit_code == 0
    assert installation.count("monitor_locations") == 3
    # What it has already it keeps, and it can be changed otherwise.
    assert "Choose fewer" not in installation.centre(
        "SELECT report.change_monitor(1, 'm', 'http://127.0.0.1:1/0', 90, 10000000, NULL, '{a,b}')"
    )


def test_no_more_people_than_the_plan_has_invited_ones_included(
    installation: Installation,
) -> None:
    invite = "SELECT report.invite('{0}@x.example', 'viewer', sha256('{0}'), '1 hour')"
    assert installation.centre(invite.format("ann")) == ""
    assert installation.centre(invite.format("ann")) == ""
    assert "has 2 members" in installation.centre(invite.format("bob"))
    joined = "SELECT report.finish_invitation(sha256('ann'), 'Ann', 'hash')"
    assert installation.centre(joined) == ""
    assert installation.count("users") == 2


def test_a_licence_ends_in_two_steps(installation: Installation) -> None:
    def state(*arguments: str) -> Any:
        done = installation.vantage("account", "plan", "--json", *arguments)
        [account] = json.loads(done.output)
        return account["licence"]

    assert state() == "active"
    assert state("--trial", "--until=2099-01-01") == "trial"
    assert state("--until=2026-01-01", "--bought", "--grace-days=365") == "grace"
    assert installation.add() == ""
    assert state("--until=2020-01-01", "--grace-days=14") == "expired"
    assert "ended on 1 Jan 2020" in installation.add()
    # What is only less is always possible.
    assert installation.centre("SELECT report.pause_monitor(1, true)") == ""
    assert installation.centre("SELECT report.remove_monitor(1)") == ""
    assert state("--for-ever") == "active"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["plan", "set", "Not A Name"], "'Not A Name' is no name of a plan"),
        (["plan", "set", "big", "--interval=25h"], "--interval 90000s: the shortest interval"),
        (["plan", "set", "big", "--stripe-price=9"], "--stripe-price '9' is no price"),
        (["account", "plan", "golden"], "no plan 'golden'. Plans: small, unlimited."),
        (["account", "plan", "--until=2030-01-01", "--for-ever"], "--until or --for-ever"),
    ],
)
def test_what_cannot_be_is_told(
    installation: Installation, arguments: list[str], sentence: str
) -> None:
    refused = installation.vantage(*arguments)
    assert refused.exit_code != 0
    assert sentence in " ".join(refused.output.split())


def test_an_account_without_a_plan_may_have_everything(
    installation: Installation,
) -> None:
    assert installation.vantage("account", "plan", "unlimited").exit_code == 0
    for _ in range(3):
        assert installation.add(interval=1) == ""
