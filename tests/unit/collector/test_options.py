from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from collector.errors import CollectorError
from collector.operator.dates import DAY, MONTH, TIME, Dated
from collector.operator.duration import Duration
from collector.operator.main import check_agent_host, main, typed
from collector.operator.target import default_home
from collector.options import Address, PublicUrl, read_secret


@pytest.mark.parametrize("text", ["127.0.0.1:1", "[::1]:65535", "a.example:7443"])
def test_addresses_are_host_and_port(text: str) -> None:
    assert Address().convert(text, None, None) == text


@pytest.mark.parametrize(
    "text", ["", "host", "host:", ":1", "host:0", "host:65536", "::1:5", "h:x"]
)
def test_what_is_no_address_is_said_to_be_none(text: str) -> None:
    with pytest.raises(click.BadParameter, match="host:port"):
        Address().convert(text, None, None)


def test_a_host_may_be_left_out_where_it_is_known() -> None:
    assert Address(host_optional=True).convert(":7443", None, None) == ":7443"


def test_links_lead_to_a_report_centre() -> None:
    assert PublicUrl().convert("https://v.example/", None, None) == "https://v.example"
    assert PublicUrl().convert("http://127.0.0.1:8080", None, None) == "http://127.0.0.1:8080"
    for text in ("v.example", "https://v.example/a", "https://ann@v.example", ""):
        with pytest.raises(click.BadParameter, match=r"Write --public-url https://host\.example"):
            PublicUrl().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("30", 30), ("30s", 30), ("1.5m", 90), ("2h", 7200)]
)
def test_durations(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "-1s", "1d", "1 s s"])
def test_what_is_no_duration_is_said_to_be_none(text: str) -> None:
    with pytest.raises(click.BadParameter, match="not a duration"):
        Duration().convert(text, None, None)


@pytest.mark.parametrize(
    ("dated", "text", "at"),
    [
        (MONTH, "2026-02", datetime(2026, 2, 1)),
        (DAY, "2026-02-28", datetime(2026, 2, 28)),
        (TIME, "2026-02-28 02:30", datetime(2026, 2, 28, 2, 30)),
        (TIME, "2026-02-28T02:30:59", datetime(2026, 2, 28, 2, 30, 59)),
    ],
)
def test_dates_are_read(dated: Dated, text: str, at: datetime) -> None:
    assert dated.convert(text, None, None) == at


@pytest.mark.parametrize(
    ("dated", "text", "why"),
    [
        (MONTH, "2026-13", "'2026-13' is no month. Write YYYY-MM, such as 2026-11."),
        (DAY, "2026-02-30", "'2026-02-30' is no day. Write YYYY-MM-DD, such as 2026-11-30."),
        (TIME, "yesterday", "no time. Write YYYY-MM-DD HH:MM, such as '2026-11-30 02:00'."),
    ],
)
def test_what_is_no_date_is_told_the_form(dated: Dated, text: str, why: str) -> None:
    with pytest.raises(click.BadParameter, match=re.escape(why)):
        dated.convert(text, None, None)


@pytest.mark.parametrize("host", ["two words", "centre.example:7443", "http://a.example", ""])
def test_what_agents_cannot_reach_this_machine_by_is_refused(host: str) -> None:
    with pytest.raises(click.UsageError, match=re.escape(f"--agent-host {host!r}")):
        check_agent_host(host)


def test_a_command_is_worded_as_it_can_be_typed(tmp_path: Path) -> None:
    home = tmp_path / "of mine"
    assert typed("bin/vantage", "psql", home) == f"bin/vantage psql --home '{home}'"
    assert typed("bin/vantage", "psql", default_home()) == "bin/vantage psql"


def test_a_secret_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        CollectorError, match=r"^\S+/absent cannot be read: No such file or directory\.$"
    ):
        read_secret(tmp_path / "absent")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(CollectorError, match="empty"):
        read_secret(tmp_path / "empty")


def test_a_change_of_a_monitor_tells_no_default_and_a_new_one_tells_them() -> None:
    told = {}
    for name in ("add", "edit"):
        shown = CliRunner().invoke(main, ["monitor", name, "--help"]).output
        options = re.split(r"\n  (?=--)", shown)[1:]
        told[name] = {each.split()[0] for each in options if "default:" in each}
    assert told["add"] - told["edit"] >= {"--interval", "--name", "--slow", "--status", "--method"}
    assert told["edit"] == {"--auth", "--home", "--secret-key-file"}, "those are used"
