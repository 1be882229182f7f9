"""The API's part that says who is told what: rules, channels, reports by mail, status pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from collector import sealing
from collector.keyring import Keyring
from collector.telling.destination import Destination
from tests.integration.dashboard.conftest import Visitor
from tests.integration.dashboard.test_api import TOKEN, Program, make_token
from tests.support import seed
from tests.support.database import Databases
from tests.support.report_centre import Centre
from tests.support.report_centre import centre as run_centre


@pytest.fixture(scope="module")
def running_centre(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Centre]:
    home = tmp_path_factory.mktemp("told-centre")
    with run_centre(databases, home, length=timedelta(minutes=5)) as started:
        make_token(started, TOKEN, "{read,write,run}")
        yield started


@pytest.fixture
def program(centre: Centre) -> Program:
    return Program(centre, TOKEN)


def sent(program: Program, method: str, path: str, status: int, **body: object) -> Any:
    answer = program.call(path, method, **body)
    assert answer.status == status, answer.text
    return json.loads(answer.body) if answer.body else None


def test_rules_of_the_account_and_of_a_monitor(program: Program, centre: Centre) -> None:
    monitor_id = centre.monitor("Home page")
    path = f"/monitors/{monitor_id}/rule"
    assert program.get(path)["source"] == "installation"
    sent(program, "PUT", "/rule", 200, needed_percent=50, slower_factor=2.5)
    found = program.get(path)
    assert (found["source"], found["needed_locations"], found["needed_percent"]) == (
        "account", None, 50)  # fmt: skip
    assert (found["slower_factor"], found["monitor_id"]) == (2.5, monitor_id)
    own = sent(program, "PUT", path, 200, consecutive=1, distinct_by="country")
    assert (own["source"], own["needed_locations"], own["distinct_by"]) == ("monitor", 2, "country")
    # What it gives is what it takes.
    values = {k: v for k, v in own.items() if k not in ("monitor_id", "source")}
    assert sent(program, "PUT", path, 200, **values) == own
    both = sent(program, "PUT", path, 400, needed_locations=1, needed_percent=1)
    assert "not both" in both["detail"]
    for each in (path, "/rule"):
        sent(program, "DELETE", each, 204)
        assert "no such rule" in sent(program, "DELETE", each, 404)["detail"]
    assert program.get(path)["source"] == "installation"


def test_what_a_monitor_depends_on(program: Program, centre: Centre) -> None:
    child, parent = centre.monitor("Home page"), centre.monitor("Sign-in API")
    path = f"/monitors/{child}/dependencies"
    assert sent(program, "PUT", path, 200, parents=[parent, parent]) == {"parents": [parent]}
    assert program.get(path) == {"parents": [parent]}
    circle = sent(program, "PUT", f"/monitors/{parent}/dependencies", 400, parents=[child])
    assert "cannot depend on itself" in circle["detail"]
    unknown = sent(program, "PUT", path, 400, parents=[parent, 999_999])
    assert "no monitor 999999 in your account" in unknown["detail"]
    assert sent(program, "PUT", "/monitors/999999/dependencies", 404, parents=[parent])
    assert sent(program, "PUT", path, 200, parents=[]) == {"parents": []}


def test_a_channels_address_goes_in_and_never_comes_out(
    program: Program, centre: Centre, keyring: Keyring
) -> None:
    def opened() -> list[Destination]:
        rows = centre.execute("SELECT account_id, kind, key_id, sealed FROM vantage.channels")
        return [
            Destination.decode(
                kind, sealing.open_(keyring, sealing.channel(account), key_id, sealed)
            )
            for account, kind, key_id, sealed in rows
        ]

    monitor_id = centre.monitor("Home page")
    hook = "https://hooks.example/T0/hush"
    made = sent(
        program, "POST", "/channels", 201,
        address=hook, delay_s=900, quiet_from="22:00", quiet_to="07:00",
        time_zone="Europe/Berlin", monitor_ids=[monitor_id], is_muted=True,
    )  # fmt: skip
    assert opened() == [Destination("webhook", hook, made["secret"])]
    path = f"/channels/{made['id']}"
    shown = program.get(path)
    assert "secret" not in shown
    assert (shown["name"], shown["hint"], shown["quiet_from"], shown["monitor_ids"]) == (
        "https://hooks.example", "https://hooks.example", "22:00", [monitor_id])  # fmt: skip
    assert shown["muted_at"]
    assert "hush" not in json.dumps([made, shown, program.get("/channels")])
    # Without an address it is told where it was.
    changed = sent(program, "PUT", path, 200, least_severity="down", remind_s=600)
    assert (changed["secret"], changed["muted_at"], changed["quiet_from"]) == (None, None, None)
    assert changed["name"] == "https://hooks.example"
    assert [each.address for each in opened()] == [hook]
    told = sent(program, "PUT", path, 400, own_text="{summary}")
    assert "A webhook is told in JSON" in told["detail"]
    changed = sent(
        program, "PUT", path, 200, name="On call", address="ann@acme.example", own_subject="{state}"
    )
    assert (changed["own_subject"], changed["own_text"]) == ("{state}", None)
    assert (changed["kind"], changed["secret"], changed["name"]) == ("mail", None, "On call")
    assert opened() == [Destination("mail", "ann@acme.example")]
    sent(program, "POST", f"{path}/test", 202)
    assert "Wait ten seconds" in sent(program, "POST", f"{path}/test", 400)["detail"]
    for body, detail in (
        ({"name": "None"}, "Give the channel an address."),
        ({"address": "nobody"}, "That is no address"),
        ({"address": "ann@acme.example", "name": "On call"}, "There is a channel named “On call”"),
        ({"address": "b@acme.example", "time_zone": "Mars/Base"}, "is no time zone"),
        ({"address": "b@acme.example", "own_text": "a } brace"}, "is written twice"),
        ({"address": "b@acme.example", "quiet_from": "22:00"}, "quiet hours from a time to a time"),
    ):
        assert detail in sent(program, "POST", "/channels", 400, **body)["detail"]
    other = centre.monitor("Not yours")
    sent(program, "POST", "/channels", 404, address="c@acme.example", monitor_ids=[other])
    sent(program, "DELETE", path, 204)
    assert program.get(path, 404)["detail"] == "There is no such channel in your account."
    assert program.get("/channels") == []


def test_without_anybody_who_tells_no_channel_is_added(program: Program) -> None:
    told = sent(program, "POST", "/channels", 400, address="ann@acme.example")
    assert "vantage-collector notify" in told["detail"]


def test_a_report_by_mail_lives_and_ends(program: Program, centre: Centre) -> None:
    made = sent(
        program, "POST", "/report-schedules", 201,
        name="Board", recipients=[seed.EMAIL.upper()], objective=99.95, limit_us=800_000,
    )  # fmt: skip
    path = f"/report-schedules/{made['id']}"
    assert (made["at"], made["objective"], made["share"]) == ("06:00", 99.95, 95)
    assert made["recipients"] == [seed.EMAIL]
    assert program.get(path) == program.get("/report-schedules")[0] == made
    weekly = sent(
        program, "PUT", path, 200,
        name="Board", recipients=[seed.EMAIL], period="week", day=7, at="23:30",
    )  # fmt: skip
    assert (weekly["id"], weekly["period"], weekly["limit_us"]) == (made["id"], "week", None)
    for body, detail in (
        ({"recipients": ["somebody@example.net"]}, "“somebody@example.net” is no member"),
        ({"recipients": [seed.EMAIL]}, "There is a report named “Board” already"),
        ({"recipients": [seed.EMAIL], "period": "week", "day": 8}, "on day 1 to 7"),
    ):
        asked = {"name": "Board", **body}
        assert detail in sent(program, "POST", "/report-schedules", 400, **asked)["detail"]
    sent(program, "DELETE", path, 204)
    for method in ("GET", "DELETE"):
        assert "no such report by mail" in sent(program, method, path, 404)["detail"]
    gone = sent(program, "PUT", path, 404, name="Board", recipients=[seed.EMAIL])
    assert "no such report by mail" in gone["detail"]


def test_a_status_page_lives_and_ends(program: Program, centre: Centre) -> None:
    monitor_id = centre.monitor("Home page")
    path = "/status-pages/acme-live"
    made = sent(program, "PUT", path, 201, title="Acme", monitor_ids=[monitor_id])
    assert made["url"] == f"{centre.address}/status/acme-live"
    stranger = Visitor(centre)
    assert "Home page" in stranger.ask("/status/acme-live").text
    changed = sent(program, "PUT", path, 200, title="Acme, live", monitor_ids=[])
    assert program.get(path) == changed
    assert changed in program.get("/status-pages")
    sent(program, "PUT", "/status-pages/A", 422, title="Acme", monitor_ids=[])
    sent(program, "DELETE", path, 204)
    sent(program, "DELETE", path, 404)
    assert stranger.ask("/status/acme-live").status == 404
