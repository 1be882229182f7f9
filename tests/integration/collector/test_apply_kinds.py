"""Maintenance, alert rules, dependencies and status pages in files: applied, changed, pruned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collector import db, sealing
from collector.operator.account import add_account
from collector.telling.destination import Destination
from tests.support.applying import Vantage, with_account
from tests.support.collector import fetch
from tests.support.database import Database


@pytest.fixture
def vantage(database: Database, tmp_path: Path) -> Vantage:
    return with_account(database, tmp_path)


MAINTENANCE = """
monitors: {shop: {url: "https://shop.example/"}}
maintenance:
  move: {monitor: shop, from: "2099-07-01 10:00", for: 2h, time_zone: Europe/Berlin, title: Move}
  past: {from: 2020-01-01T00:00, for: 90m}
maintenance_rules:
  weekly: {from: "2026-12-06 03:00", for: 1h, time_zone: Europe/Berlin, rule: freq=weekly;byday=su}
"""


def test_maintenance_is_applied_changed_and_pruned(vantage: Vantage) -> None:
    assert [key for _, _, key in vantage.changes(MAINTENANCE)] == ["shop", "move", "past", "weekly"]
    assert vantage.changes(MAINTENANCE) == []
    listed = json.loads(vantage("maintenance", "list", "--json").output)
    [move] = [each for each in listed if each["title"] == "Move"]
    assert (move["from_at"], move["monitor"]) == ("2099-07-01 08:00:00+00:00", move["monitor"])
    exported = vantage("export").output
    assert "from: 2099-07-01 08:00" in exported
    assert "rule: FREQ=WEEKLY;BYDAY=SU" in exported
    assert vantage.apply(exported).output == "Nothing to change.\n"
    changed = MAINTENANCE.replace("for: 2h", "for: 3h").replace("for: 1h", "for: 2h")
    assert [(action, key) for action, _, key in vantage.changes(changed)] == [
        ("update", "move"), ("update", "weekly")]  # fmt: skip
    assert len(json.loads(vantage("maintenance", "list", "--rules", "--json").output)) == 1
    pruned = vantage.changes("monitors: {shop: {url: 'https://shop.example/'}}", "--prune")
    assert [key for _, _, key in pruned] == ["weekly", "past", "move"]
    # What is over stays: it has counted.
    listed = json.loads(vantage("maintenance", "list", "--over", "--json").output)
    assert [each["title"] for each in listed] == [""]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("maintenance: {a: {from: 2026-12-01T22:00Z, for: 1h}}", "a date and time without a zone"),
        ("maintenance: {a: {from: 2026-13-01 22:00, for: 1h}}", "a date and time without a zone"),
        ("maintenance: {a: {from: 2026-12-01 22:00, for: 8h, time_zone: Mars}}", "no time zone"),
        ("maintenance: {a: {from: 2026-12-01 22:00, for: 8d}}", "such as 500ms, 30s, 5m or 1h"),
        ("maintenance: {a: {from: 2026-12-01 22:00, for: 200h}}", "1 minute to 7 days"),
        ("maintenance: {a: {from: 2026-12-01 22:00, for: 1h, monitor: b}}", "no monitor 'b'"),
        ("maintenance_rules: {a: {from: 2026-12-01 22:00, for: 1h}}", "'rule' is missing"),
        ("maintenance_rules: {a: {from: 2026-12-01 22:00, for: 1h, rule: SOMETIMES}}", "no rule"),
        ("maintenance_rules: {a: {from: 2026-12-01 22:00, for: 1h, rule: FREQ=DAILY;BYHOUR=3}}",
         "maintenance_rules.a.rule: 'FREQ=DAILY;BYHOUR=3' cannot be followed"),
    ],
)  # fmt: skip
def test_maintenance_that_cannot_be_is_told(vantage: Vantage, text: str, sentence: str) -> None:
    refused = vantage.apply(text)
    assert (refused.exit_code, sentence in refused.output) == (1, True), refused.output


RULES = """
monitors: {shop: {url: "https://shop.example/"}}
alert_rules:
  usual: {consecutive: 5, closes_after: 5m, slower_factor: 2.5, slower_phase: tls, slower_for: 20m}
  checkout: {monitor: shop, needed_percent: 50, distinct_by: country, opens_when_degraded: true}
"""


def test_alert_rules_are_applied_changed_and_pruned(vantage: Vantage) -> None:
    assert [key for _, _, key in vantage.changes(RULES)] == ["shop", "usual", "checkout"]
    assert vantage.changes(RULES) == []
    assert vantage.apply(vantage("export").output).output == "Nothing to change.\n"
    in_force = "SELECT * FROM vantage.monitor_rules"
    [rule] = fetch(vantage.url, in_force)
    assert (rule["needed_locations"], rule["needed_percent"], rule["distinct_by"]) == (
        None, 50, "country")  # fmt: skip
    twice = vantage.apply(RULES.replace("consecutive: 5", "monitor: shop"))
    assert "alert_rules.usual.monitor: there is another rule for shop" in twice.output
    both = vantage.apply(
        RULES.replace("needed_percent: 50", "needed_percent: 50, needed_locations: 1")
    )
    assert "needed_percent or needed_locations, not both" in both.output
    soon = vantage.apply(RULES.replace("slower_for: 20m", "slower_for: 1m"))
    assert "5m to 1h in whole seconds can be" in soon.output
    without = RULES[: RULES.index("  checkout")]
    assert vantage.changes(without, "--prune") == [("delete", "alert rule", "checkout")]
    [rule] = fetch(vantage.url, in_force)
    assert (rule["needed_locations"], rule["consecutive"], rule["closes_after_s"]) == (2, 5, 300)
    slower = ("slower_factor", "slower_phase", "slower_for_s", "slower_locations")
    assert [rule[name] for name in slower] == [2.5, "tls", 1200, 2]


PAGES = """
monitors:
  shop: {url: "https://shop.example/"}
  login: {url: "https://login.example/"}
  base: {url: "https://base.example/"}
dependencies:
  shop: {monitor: shop, needs: [login, base]}
status_pages:
  acme: {title: Acme, monitors: [shop, login]}
"""


def test_dependencies_and_status_pages_are_applied_changed_and_pruned(vantage: Vantage) -> None:
    assert len(vantage.changes(PAGES)) == 5
    assert vantage.changes(PAGES) == []
    assert vantage.changes(vantage("export").output) == []
    parents = (
        "SELECT m.name, p.name AS parent FROM vantage.monitor_dependencies AS d"
        " JOIN vantage.monitors AS m ON m.id = d.monitor_id"
        " JOIN vantage.monitors AS p ON p.id = d.parent_id ORDER BY 1, 2"
    )
    shown = (
        "SELECT slug, array_agg(name ORDER BY name) AS names FROM vantage.status_page_monitors"
        " JOIN vantage.status_pages ON status_pages.id = page_id"
        " JOIN vantage.monitors ON monitors.id = monitor_id GROUP BY slug"
    )
    assert [tuple(row.values()) for row in fetch(vantage.url, parents)] == [
        ("shop", "base"),
        ("shop", "login"),
    ]
    assert fetch(vantage.url, shown) == [{"slug": "acme", "names": ["login", "shop"]}]

    circle = vantage.apply(
        PAGES.replace("status_pages", "  login: {monitor: login, needs: [shop]}\nstatus_pages")
    )
    assert "dependencies.login.needs: 'login' would depend on itself" in circle.output
    nobody = vantage.apply(PAGES.replace("[shop, login]", "[shop, nobody]"))
    assert "status_pages.acme.monitors: there is no monitor 'nobody'" in nobody.output

    changed = PAGES.replace("monitor: shop", "monitor: base").replace("[login, base]", "[login]")
    changed = changed.replace("[shop, login]", "[login]")
    assert vantage.changes(changed) == [
        ("update", "dependency", "shop"),
        ("update", "status page", "acme"),
    ]
    assert [tuple(row.values()) for row in fetch(vantage.url, parents)] == [("base", "login")]
    assert fetch(vantage.url, shown) == [{"slug": "acme", "names": ["login"]}]
    pruned = vantage.changes(changed.partition("dependencies")[0], "--prune")
    assert sorted(pruned) == [("delete", "dependency", "shop"), ("delete", "status page", "acme")]
    assert fetch(vantage.url, parents) == fetch(vantage.url, shown) == []
    told = fetch(vantage.url, "SELECT actor, detail FROM vantage.audit_log ORDER BY id")
    assert {each["actor"] for each in told[-3:]} == {"vantage apply"}
    assert told[-1]["detail"] == "delete status page acme, delete dependency shop"


CHANNELS = """
monitors: {shop: {url: "https://shop.example/"}}
channels:
  ann:
    address: ann@acme.example
    monitors: [shop]
    quiet: 22:00-07:00
    time_zone: Europe/Berlin
    subject: "[{monitor}] {state}"
  hook:
    address: {env: TEST_HOOK}
    signing_secret: {env: TEST_SIGNING}
    after: 15m
    remind: 1h
    least_severity: down
"""


def leads_to(vantage: Vantage, name: str) -> Destination:
    rows = "SELECT account_id, kind, key_id, sealed FROM vantage.channels WHERE name = %s"
    [row] = fetch(vantage.url, rows, [name])
    opened = sealing.open_(
        vantage.keyring, sealing.channel(row["account_id"]), row["key_id"], bytes(row["sealed"])
    )
    return Destination.decode(row["kind"], opened)


def test_channels_are_applied_changed_and_pruned_and_no_secret_is_shown(
    vantage: Vantage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_HOOK", "https://hooks.example/hush")
    monkeypatch.setenv("TEST_SIGNING", "hush-hush-hush-hush")
    planned = vantage.apply(CHANNELS, "--plan")
    assert "address: (set, not shown)" in planned.output
    assert not vantage.keyring.exists  # a plan makes no key
    assert [key for _, _, key in vantage.changes(CHANNELS)] == ["shop", "ann", "hook"]
    assert vantage.changes(CHANNELS) == []
    assert leads_to(vantage, "hook") == Destination(
        "webhook", "https://hooks.example/hush", "hush-hush-hush-hush"
    )
    exported = vantage("export").output
    assert "address: ann@acme.example" in exported
    assert "quiet: 22:00-07:00" in exported
    assert "address: stored" in exported
    assert "hush" not in exported + planned.output
    monkeypatch.delenv("TEST_HOOK")
    monkeypatch.delenv("TEST_SIGNING")
    assert vantage.apply(exported).output == "Nothing to change.\n"

    changed = exported.replace("after: 15m", "after: 5m\n    muted: true").replace("[shop]", "[]")
    assert "channels.ann.monitors: name one at least" in vantage.apply(changed).output
    changed = changed.replace("    monitors: []\n", "")
    told = vantage.apply(changed).output
    assert "after: 15m -> 5m" in told
    assert "muted: none -> true" in told
    ann, hook = fetch(vantage.url, "SELECT * FROM vantage.channels ORDER BY name")
    assert (ann["own_subject"], ann["monitor_ids"]) == ("[{monitor}] {state}", None)
    assert (hook["delay_s"], hook["remind_s"], bool(hook["muted_at"])) == (300, 3600, True)
    # Elsewhere, signed as before.
    monkeypatch.setenv("TEST_HOOK", "https://hooks.example/other")
    moved = changed.replace("address: stored", "address: {env: TEST_HOOK}")
    assert vantage.changes(moved) == [("update", "channel", "hook")]
    assert leads_to(vantage, "hook") == Destination(
        "webhook", "https://hooks.example/other", "hush-hush-hush-hush"
    )
    without = moved.partition("channels")[0]
    assert vantage.changes(without, "--prune") == [
        ("delete", "channel", "hook"),
        ("delete", "channel", "ann"),
    ]
    assert fetch(vantage.url, "SELECT FROM vantage.channels") == []


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ("address: https://hooks.example/hush", "is a secret, and not written into the file"),
        ("address: nobody", "channels.a.address: That is no address"),
        ("address: stored", "channels.a.address: no address is stored yet"),
        ("address: {env: TEST_HOOK}", "say with signing_secret: {env: NAME} by what"),
        ("address: {env: TEST_HOOK}, signing_secret: {env: TEST_SHORT}", "at least 16 characters"),
        ("address: a@b.example, signing_secret: {env: TEST_HOOK}", "only webhooks are signed"),
        ("address: a@b.example, after: 25h", "after can be up to 24h"),
        ("address: a@b.example, quiet: 10pm-7am", "'10pm-7am' is not quiet hours"),
        ("address: a@b.example, subject: '{colour}'", "There is no field {colour}"),
        ("address: a@b.example, monitors: [b]", "there is no monitor 'b'"),
    ],
)
def test_a_channel_that_cannot_be_is_told_without_its_secret(
    vantage: Vantage, monkeypatch: pytest.MonkeyPatch, fields: str, sentence: str
) -> None:
    monkeypatch.setenv("TEST_HOOK", "https://hooks.example/hush")
    monkeypatch.setenv("TEST_SHORT", "hush")
    refused = vantage.apply(f"channels: {{a: {{{fields}}}}}")
    assert (refused.exit_code, sentence in refused.output) == (1, True), refused.output
    assert "hush" not in refused.output


def test_an_address_that_is_taken_and_one_that_cannot_be(vantage: Vantage) -> None:
    with db.session(vantage.url) as connection:
        add_account(connection, "other", "o@other.example", "long enough")
    assert len(vantage.changes("account: acme\n" + PAGES)) == 5
    taken = "account: other\nstatus_pages: {mine: {title: A, address: acme, monitors: []}}"
    assert (
        "status_pages.mine.address: the address /status/acme is taken"
        in vantage.apply(taken).output
    )
    other = "account: other\nstatus_pages: {My_Page: {title: A, monitors: []}}"
    assert "'My_Page' can be no address" in vantage.apply(other).output
