"""Maintenance: planned by an operator, made into windows, ended, and left out of what counts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner, Result

from collector import db
from collector.maintenance import plan
from collector.operator.main import main
from tests.support.collector import configure, fetch
from tests.support.database import Database


class Vantage:
    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["maintenance", *arguments, f"--database={self.url}"])

    def listed(self, *arguments: str) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(self("list", "--json", *arguments).output)
        return found

    def asked(self, monitor: int, at: datetime) -> bool:
        [row] = fetch(self.url, "SELECT vantage.in_maintenance(%s, %s) AS is_so", [monitor, at])
        return bool(row["is_so"])


@pytest.fixture
def vantage(database: Database) -> Vantage:
    configure(database.url(), monitors=2)
    return Vantage(database.url(role="vantage_collector"))


def test_a_window_is_planned_ended_and_undone(vantage: Vantage) -> None:
    now = datetime.now(UTC)
    assert vantage("add", "--monitor=1", "--for=2h", "--title=Upgrade").exit_code == 0
    assert (vantage.asked(1, now + timedelta(hours=1)), vantage.asked(2, now)) == (True, False)
    [window] = vantage.listed()
    assert (window["monitor"], window["title"], window["rule"]) == (1, "Upgrade", None)
    assert vantage("remove", "1").output == "It ends now.\n"
    assert not vantage.asked(1, now + timedelta(hours=1))
    assert vantage.listed() == []
    assert len(vantage.listed("--over")) == 1
    assert "its time counts" in vantage("remove", "1").output
    assert "no maintenance 1" in vantage("remove", "1").output


def test_a_window_begins_by_the_clocks_of_its_zone(vantage: Vantage) -> None:
    added = vantage("add", "--from=2030-07-01 02:00", "--for=1h", "--time-zone=Asia/Tokyo")
    assert added.output == "Maintenance 1: 2030-06-30 17:00 UTC for 1h.\n"
    assert vantage.asked(2, datetime(2030, 6, 30, 17, tzinfo=UTC))
    assert not vantage.asked(2, datetime(2030, 6, 30, 18, tzinfo=UTC))


async def test_a_rule_makes_windows_once(vantage: Vantage) -> None:
    now = datetime.now(UTC)
    began = (now - timedelta(days=30, minutes=30)).strftime("%Y-%m-%d %H:%M")
    added = vantage("add", f"--from={began}", "--for=1h", "--rule=freq=daily", "--title=Nightly")
    assert added.exit_code == 0, added.output
    assert len(added.output.splitlines()) == 4
    async with await db.connect(vantage.url) as connection:
        # None of the past, the one that lasts, and those of three months.
        assert await plan(connection) == 91
        assert await plan(connection) == 0
        await connection.execute(
            "UPDATE vantage.maintenance_rules SET planned_to_at = now() + INTERVAL '9 days'"
        )
        assert await plan(connection) == 0
    assert vantage.asked(1, now)
    assert vantage.asked(2, now + timedelta(days=3))
    assert not vantage.asked(2, now + timedelta(days=3, hours=1))
    assert "no rule 2" in vantage("remove", "--rule", "2").output
    assert vantage("remove", "--rule", "1").exit_code == 0
    # What lasts is no longer a rule's, and stays.
    assert [window["rule"] for window in vantage.listed()] == [None]


async def test_a_rule_that_never_comes_true_holds_nothing_up(vantage: Vantage) -> None:
    vantage("add", "--for=1h", "--rule=FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30")
    vantage("add", "--for=1h", "--rule=FREQ=DAILY;COUNT=2")
    async with await db.connect(vantage.url) as connection:
        assert await plan(connection) == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--for=10s"], "1 minute to 7 days"),
        (["--for=1h", "--monitor=9"], "no monitor 9"),
        (["--for=1h", "--time-zone=Mars"], "no time zone"),
        (["--for=1h", "--rule=hourly"], "FREQ=WEEKLY;BYDAY=SU"),
        (["--for=1h", "--rule=FREQ=DAILY;BYHOUR=3"], "BYSETPOS and WKST only"),
        (["--for=1h", "--account=nobody"], "no account 'nobody'"),
    ],
)
def test_what_cannot_be_is_told(vantage: Vantage, arguments: list[str], sentence: str) -> None:
    refused = vantage("add", *arguments)
    assert (refused.exit_code, "Traceback" in refused.output) == (1, False)
    assert sentence in refused.output
    assert vantage.listed() == vantage.listed("--rules") == []
