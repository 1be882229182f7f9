"""The operator's commands as a person types them, on a real database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from collector.operator.main import main
from tests.support.collector import fetch
from tests.support.database import Database


class Vantage:
    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, *arguments: str) -> Result:
        result = CliRunner().invoke(main, [*arguments, f"--database={self.url}"])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        assert "Traceback" not in result.output
        return result


@pytest.fixture
def vantage(database: Database, tmp_path: Path) -> Vantage:
    vantage = Vantage(database.url(role="vantage_collector"))
    password = tmp_path / "password"
    password.write_text("long enough\n")
    added = vantage(
        "account", "add", "acme", "--email=ann@acme.example", f"--password-file={password}"
    )
    assert added.exit_code == 0, added.output
    return vantage


def test_a_monitor_is_added_listed_and_removed(vantage: Vantage) -> None:
    assert vantage("location", "add", "fra", "--title=Frankfurt", "--country=de").exit_code == 0
    assert vantage("location", "add", "sin").exit_code == 0
    added = vantage(
        "monitor", "add", "https://a.example/", "--interval=5m", "--slow=800ms", "--timeout=3s"
    )
    assert added.output == "Watching https://a.example/ as monitor 1.\n"
    [monitor] = json.loads(vantage("monitor", "list", "--json").output)
    assert monitor["locations"] == ["fra", "sin"]
    assert (monitor["interval_s"], monitor["slow_us"], monitor["timeout_us"]) == (
        300,
        800_000,
        3_000_000,
    )
    assert vantage("monitor", "remove", "1").exit_code == 0
    assert json.loads(vantage("monitor", "list", "--json").output) == []
    again = vantage("monitor", "remove", "1")
    assert (again.exit_code, "vantage monitor list" in again.output) == (1, True)


def test_lists_are_readable(vantage: Vantage) -> None:
    vantage("location", "add", "fra", "--title=Frankfurt")
    assert vantage("location", "list").output.splitlines() == [
        "NAME  TITLE      REGION  COUNTRY  AGENTS ONLINE",
        "fra   Frankfurt  -       -        0",
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["monitor", "add", "a.example"], "does not begin with http:// or https://"),
        (["monitor", "add", "http://a.example", "--interval=0.5s"], "1 s to 24 h"),
        (["monitor", "add", "http://a.example", "--timeout=2m"], "0.1 s to 60 s"),
        (["monitor", "add", "http://a.example", "--slow=30s"], "at most the timeout"),
        (["monitor", "add", "http://a.example", "--location=mars"], "no location 'mars'"),
        (["monitor", "add", "http://a.example", "--account=other"], "no account 'other'"),
        (["location", "add", "Not A Name"], "lower-case letters"),
        (["location", "add", "x", "--latitude=1"], "--longitude"),
        (["agent", "token", "--location=fra", "--collector=here"], "host:port"),
        (["agent", "token", "--location=fra", "--collector=c:1"], "No collector has run"),
        (["agent", "revoke", "00000000-0000-0000-0000-000000000000"], "vantage agent list"),
        (["account", "add", "acme", "--email=b@c.de", "--password-file=/dev/null"], "empty"),
    ],
)
def test_bad_input_is_answered_with_a_sentence(
    vantage: Vantage, arguments: list[str], sentence: str
) -> None:
    result = vantage(*arguments)
    assert result.exit_code != 0
    assert sentence in result.output


def test_the_password_is_stored_as_argon2id(vantage: Vantage) -> None:
    [user] = fetch(vantage.url, "SELECT * FROM vantage.users")
    assert user["password_hash"].startswith("$argon2id$")


def test_a_database_without_a_schema_is_said_to_be_one(empty_database: Database) -> None:
    result = Vantage(empty_database.url())("monitor", "list")
    assert result.exit_code == 1
    assert "vantage-collector migrate" in result.output


def test_a_database_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    result = Vantage(f"postgresql:///vantage?host={tmp_path}")("monitor", "list")
    assert result.exit_code == 1
    assert "The database does not answer" in result.output


def test_without_an_installation_the_two_ways_on_are_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["monitor", "list", f"--home={tmp_path}"])
    assert result.exit_code == 1
    assert "vantage up" in result.output
    assert "--database" in result.output


def test_a_monitor_of_all_locations_is_probed_from_new_ones_too(vantage: Vantage) -> None:
    vantage("location", "add", "fra")
    vantage("monitor", "add", "http://everywhere.example/")
    vantage("monitor", "add", "http://here.example/", "--location=fra")
    vantage("location", "add", "sin")
    monitors = json.loads(vantage("monitor", "list", "--json").output)
    assert [monitor["locations"] for monitor in monitors] == [["fra", "sin"], ["fra"]]
