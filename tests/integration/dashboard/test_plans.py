"""A plan's limits at every door: the page, the API, and a file that is applied."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from collector.operator.main import main
from tests.integration.dashboard.conftest import Visitor
from tests.support import seed
from tests.support.report_centre import Centre

URL = "https://one-more.example/"


class Doors:
    """Ways to ask for a monitor. Each returns what is said when it is refused; empty: done."""

    def __init__(self, visitor: Visitor, centre: Centre, folder: Path) -> None:
        self.visitor = visitor
        self.centre = centre
        self.file = folder / "monitors.yaml"
        [(self.account,)] = centre.execute(
            "SELECT accounts.name FROM vantage.accounts"
            " JOIN vantage.users ON users.account_id = accounts.id WHERE email = %(email)s",
            email=seed.EMAIL,
        )

    def limit(self, **limits: int) -> None:
        """Give the account a plan with these limits and no others."""
        columns = ", ".join(["name", "title", *limits])
        values = ", ".join(["'tiny'", "'Tiny'", *map(str, limits.values())])
        self.lift()
        self.centre.execute(f"INSERT INTO vantage.plans ({columns}) VALUES ({values})")
        self.centre.execute(
            "UPDATE vantage.accounts SET plan = 'tiny' WHERE name = %(name)s", name=self.account
        )

    def lift(self) -> None:
        self.centre.execute("UPDATE vantage.accounts SET plan = 'unlimited'")
        self.centre.execute("DELETE FROM vantage.plans WHERE name = 'tiny'")

    def page(self, interval_s: int, locations: list[str]) -> str:
        form = {
            "csrf": self.visitor.form_token("/monitors/new"),
            "url": URL,
            "interval": str(interval_s),
            "timeout": "10",
            "where": "chosen",
            "location": locations[0],
        }
        if len(locations) > 1:
            form["where"] = "everywhere"  # all five
        answer = self.visitor.ask("/monitors/new", "POST", form)
        assert answer.status in (303, 400)
        return "" if answer.status == 303 else answer.text

    def api(self, interval_s: int, locations: list[str]) -> str:
        password = base64.b64encode(f"{seed.EMAIL}:{seed.PASSWORD}".encode()).decode()
        answer = Visitor(self.centre).ask(
            "/api/v1/monitors",
            "POST",
            json={"url": URL, "interval_s": interval_s, "locations": locations},
            Authorization=f"Basic {password}",
            Accept="application/json",
        )
        assert answer.status in (201, 400, 409, 422), answer.text
        return "" if answer.status == 201 else answer.text

    def apply(self, interval_s: int, locations: list[str]) -> str:
        monitor = {"url": URL, "interval": f"{interval_s}s", "locations": locations}
        self.file.write_text(
            yaml.safe_dump({"account": self.account, "monitors": {"one-more": monitor}})
        )
        done = CliRunner().invoke(
            main,
            [
                "apply",
                str(self.file),
                f"--database={self.centre.database.url(role='vantage_collector')}",
                f"--home={self.file.parent}",
                "--yes",
            ],
        )
        assert "Traceback" not in done.output
        return "" if done.exit_code == 0 else " ".join(done.output.split())

    def count(self) -> int:
        [(number,)] = self.centre.execute(
            "SELECT count(*) FROM vantage.monitors JOIN vantage.accounts"
            " ON accounts.id = monitors.account_id"
            " WHERE accounts.name = %(name)s AND removed_at IS NULL",
            name=self.account,
        )
        assert isinstance(number, int)
        return number


@pytest.fixture
def doors(visitor: Visitor, centre: Centre, tmp_path: Path) -> Iterator[Doors]:
    opened = Doors(visitor, centre, tmp_path)
    yield opened
    opened.lift()
    centre.execute("DELETE FROM vantage.applied")
    centre.execute("DELETE FROM vantage.monitors WHERE url = %(url)s", url=URL)


@pytest.mark.parametrize("door", ["page", "api", "apply"])
def test_a_plan_holds_at_every_door(doors: Doors, door: str) -> None:
    ask = getattr(doors, door)
    before = doors.count()
    for limits, interval_s, locations, sentence in (
        ({"max_monitors": before}, 60, ["fra"], f"The plan Tiny has {before} monitors"),
        ({"min_interval_s": 120}, 60, ["fra"], "intervals of 120 s and more; 60 s is too short"),
        ({"max_locations": 1}, 60, ["fra", "sin"], "allows a monitor at most 1 of the locations"),
    ):
        doors.limit(**limits)
        assert sentence in ask(interval_s, locations)
        assert doors.count() == before
    doors.limit(max_monitors=before + 1, min_interval_s=60, max_locations=1)
    assert ask(60, ["fra"]) == ""
    assert doors.count() == before + 1


def test_what_a_plan_keeps_is_told_and_no_account_is_given_more(doors: Doors) -> None:
    def told() -> str:
        page = doors.visitor.ask("/settings/plan").text
        return page.split("Results are kept</dt><dd>")[1].split("<")[0]

    assert told() == "35 days"
    doors.limit(max_results_days=14)
    assert told() == "14 days"
    for days, kept in ((30, "14 days"), (7, "7 days")):
        doors.centre.execute(
            "UPDATE vantage.accounts SET results_kept_days = %(days)s WHERE name = %(name)s",
            days=days,
            name=doors.account,
        )
        assert told() == kept
    doors.centre.execute("UPDATE vantage.accounts SET results_kept_days = NULL")
