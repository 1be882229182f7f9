"""What files say becomes what is watched, as a person applies and exports them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from collector import db
from collector.config import application, configuration
from collector.config.plan import Change
from collector.monitor import Monitor
from collector.operator.account import add_account
from collector.operator.location import add_location
from collector.operator.monitor import add_monitor
from tests.support.applying import Vantage, with_account
from tests.support.certificates import TestAuthority
from tests.support.collector import fetch
from tests.support.database import Database

EVERYTHING = """
account: acme
x-usual: &usual
  interval: 30s
  timeout: 5s
locations:
  fra: {title: Frankfurt, region: Europe, country: de, latitude: 50.11092, longitude: 8.68213}
  sin:
monitors:
  shop:
    <<: *usual
    url: https://shop.example/
    name: The shop
    slow: 2s
    tags: [Web, shop, web]
    locations: [sin, fra]
    headers: {Accept: text/html, X-Tenant: ["7", "8"]}
    ip_version: both
    http_version: "2"
    insecure: true
    no_compression: true
    max_redirects: 3
    authorization: {basic: {env: TEST_LOGIN}}
    secret_headers: {X-Key: {file: secrets/key}}
    client_certificate: {file: me.pem}
    client_key: {file: me.key}
    authority: {file: authority.pem}
    proxy: socks5h://proxy.example:1080
    proxy_login: {file: secrets/proxy}
    phase_timeouts: {wait: 300ms}
    assertions:
      - {kind: status, expected: 200-299}
      - {kind: limit, name: total, at_most: 800ms, degrades: true}
      - {kind: json_equals, name: $.status, expected: ok}
      - {kind: json_equals, name: "$.n", expected: [1, null, true]}
      - {kind: header_present, name: Server}
  order:
    url: https://api.example/order
    body: {file: order.json}
    interval: 5m
    paused: true
  country NO: {url: "tcp://no.example:1", name: NO}
"""


@pytest.fixture
def vantage(database: Database, tmp_path: Path) -> Vantage:
    return with_account(database, tmp_path)


def everything(vantage: Vantage, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file with every field, and what it refers to."""
    authority = TestAuthority(vantage.folder)
    me = authority.issue("me.example", is_for_clients=True)
    (vantage.folder / "me.pem").write_text(me.certificate.read_text())
    (vantage.folder / "me.key").write_text(me.key.read_text())
    if authority.path.name != "authority.pem":
        (vantage.folder / "authority.pem").write_text(authority.path.read_text())
    (vantage.folder / "secrets").mkdir()
    (vantage.folder / "secrets" / "key").write_text("hidden-header\n")
    (vantage.folder / "secrets" / "proxy").write_text("pat:hidden-proxy\n")
    (vantage.folder / "order.json").write_text('{"dry_run": true}')
    monkeypatch.setenv("TEST_LOGIN", "ann:hidden-password")
    return EVERYTHING.replace("country NO", "NO")


def test_everything_is_applied_once_exported_and_applied_again(
    vantage: Vantage, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = everything(vantage, monkeypatch)
    planned = vantage.apply(text, "--plan")
    assert planned.exit_code == 0, planned.output
    assert "5 to create, 0 to change, 0 to remove." in planned.output
    assert not vantage.keyring.exists
    assert fetch(vantage.url, "SELECT FROM vantage.monitors, vantage.locations") == []
    assert len(vantage.changes(text)) == 5
    shop = vantage.shown("shop.example")
    assert (shop["name"], shop["interval_s"], shop["slow_us"]) == ("The shop", 30, 2_000_000)
    assert shop["locations"] == ["fra", "sin"]
    assert shop["tags"] == ["shop", "web"]
    assert shop["secrets"] == ["Authorization", "X-Key", "client key", "proxy password"]
    assert [each["value"] for each in shop["headers"]] == ["text/html", "7", "8"]
    assert shop["assertions"][3]["expected"] == "[1, null, true]"
    order = vantage.shown("/order")
    assert (order["method"], order["body"]) == ("POST", '{"dry_run": true}')
    assert order["paused_at"] is not None
    assert vantage.secrets() == {
        "Authorization": "Basic YW5uOmhpZGRlbi1wYXNzd29yZA==",
        "X-Key": "hidden-header",
    }
    again = vantage.apply(text)
    assert again.output == "Nothing to change.\n"
    exported = vantage("export").output
    for output in (planned.output, exported):
        assert "hidden" not in output
        assert "PRIVATE KEY" not in output
    assert vantage.apply(exported).output == "Nothing to change.\n"
    assert vantage("export").output == exported
    monkeypatch.setenv("TEST_LOGIN", "ann:hidden-other")
    changed = vantage.apply(text)
    assert "secret_headers.Authorization: (set, not shown) -> (set, not shown)" in changed.output
    assert "1 to change" in changed.output


def test_a_plan_says_what_changes_and_changes_nothing(vantage: Vantage) -> None:
    vantage.apply("monitors: {shop: {url: 'https://shop.example/', interval: 30s}}")
    changed = """
    locations: {fra: {}}
    monitors:
      shop: {url: https://shop.example/cart, headers: {Accept: "*/*"}, interval: 30s}
      api: {url: https://api.example/, body: hello}
    """
    planned = vantage.apply(changed, "--plan")
    assert planned.output.splitlines() == [
        "+ location fra",
        "~ monitor shop of acme:",
        "    url: https://shop.example/ -> https://shop.example/cart",
        "    headers.Accept: none -> */*",
        "+ monitor api of acme:",
        "    url: https://api.example/",
        "    interval: 1m",
        "    body: hello",
        "2 to create, 1 to change, 0 to remove.",
    ]
    assert len(json.loads(vantage("monitor", "list", "--json").output)) == 1
    assert vantage.apply(changed).output.endswith("Applied.\n")
    assert vantage.shown("shop.example")["url"] == "https://shop.example/cart"


def test_the_planner_knows_at_once_of_many_monitors(vantage: Vantage) -> None:
    many = "".join(f"  m{n}: {{url: 'https://{n}.example/'}}\n" for n in range(60))
    known = "SELECT reltuples::integer FROM pg_class WHERE oid = 'vantage.monitors'::regclass"
    assert vantage.apply(f"monitors:\n{many}", "--plan").exit_code == 0
    assert fetch(vantage.url, known) == [{"reltuples": -1}]
    assert vantage.apply(f"monitors:\n{many}").exit_code == 0
    assert fetch(vantage.url, known) == [{"reltuples": 60}]


def test_only_what_files_defined_is_pruned(vantage: Vantage) -> None:
    vantage("monitor", "add", "https://by-hand.example/")
    both = "monitors: {a: {url: 'http://a.example/'}, b: {url: 'http://b.example/'}}"
    one = "monitors: {a: {url: 'http://a.example/'}}"
    vantage.apply(both)
    assert vantage.changes(one) == []
    assert vantage.changes(one, "--prune") == [("delete", "monitor", "b")]
    urls = [each["url"] for each in json.loads(vantage("monitor", "list", "--json").output)]
    assert urls == ["https://by-hand.example/", "http://a.example/"]
    assert vantage.changes("account: acme", "--prune") == [("delete", "monitor", "a")]
    assert vantage.changes(both) == [("create", "monitor", "a"), ("create", "monitor", "b")]


def test_what_was_made_by_hand_is_taken_over_by_its_name(vantage: Vantage) -> None:
    for _ in range(2):
        vantage("monitor", "add", "https://shop.example/", "--name=My Shop!", "--interval=30s")
    exported = vantage("export").output
    assert vantage.changes(exported) == [
        ("keep", "monitor", "my-shop"), ("keep", "monitor", "my-shop-2")]  # fmt: skip
    assert vantage.changes(exported) == []
    renamed = exported.replace("My Shop!", "Shop")
    assert [action for action, _, _ in vantage.changes(renamed)] == ["update", "update"]
    names = [each["name"] for each in json.loads(vantage("monitor", "list", "--json").output)]
    assert names == ["Shop", "Shop"]


def test_all_of_it_or_nothing(vantage: Vantage) -> None:
    refused = vantage.apply(
        "monitors:\n  a: {url: http://a.example/}\n  b: {url: http://b.example/, locations: [mars]}"
    )
    assert (refused.exit_code, "v.yaml:3:" in refused.output) == (1, True), refused.output
    assert "monitors.b.locations: There is no location 'mars'." in refused.output
    assert fetch(vantage.url, "SELECT FROM vantage.monitors, vantage.applied") == []


def test_documents_of_several_accounts_and_files(vantage: Vantage) -> None:
    with db.session(vantage.url) as connection:
        add_account(connection, "zeta", "z@zeta.example", "long enough")
    folder = vantage.folder / "all"
    (folder / "deeper").mkdir(parents=True)
    (folder / "1.yaml").write_text(
        "account: acme\nmonitors: {a: {url: 'http://a.example/'}}\n---\n"
        "account: zeta\nmonitors: {a: {url: 'http://z.example/', locations: [fra]}}\n"
    )
    (folder / "deeper" / "2.yml").write_text("locations: {fra: {}}\n")
    (folder / ".hidden.yaml").write_text("nonsense")
    assert vantage("apply", str(folder)).exit_code == 0
    listed = json.loads(vantage("monitor", "list", "--json").output)
    assert [(each["account"], each["url"]) for each in listed] == [
        ("acme", "http://a.example/"), ("zeta", "http://z.example/")]  # fmt: skip
    exported = vantage("export").output
    assert vantage.apply(exported).output == "Nothing to change.\n"
    assert "acme" not in vantage("export", "--account=zeta").output
    (folder / "3.yaml").write_text("account: acme\nmonitors: {a: {url: 'http://b.example/'}}")
    twice = vantage("apply", str(folder))
    assert "'a' is there already, in line 2 of" in twice.output
    (folder / "3.yaml").write_text("monitors: {b: {url: 'http://b.example/'}}")
    nobody = vantage("apply", str(folder))
    assert (
        "3.yaml:1:1: say whose this is, with account: NAME. Accounts: acme, zeta" in nobody.output
    )
    assert "no account 'eta'" in vantage("export", "--account=eta").output


def test_stored_secrets_stay_and_go_nowhere_else(
    vantage: Vantage, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "monitors: {a: {url: 'https://a.example/', secret_headers: {X: {env: TEST_X}}}}"
    missing = vantage.apply(text)
    assert "v.yaml:1:" in missing.output
    assert "monitors.a.secret_headers.X.env: the environment has no TEST_X." in missing.output
    monkeypatch.setenv("TEST_X", "hidden")
    vantage.apply(text)
    kept = text.replace("{env: TEST_X}", "stored")
    assert vantage.apply(kept).output == "Nothing to change.\n"
    slower = kept.replace("url", "interval: 5m, url")
    assert "1 to change" in vantage.apply(slower).output
    assert vantage.secrets() == {"X": "hidden"}
    elsewhere = vantage.apply(kept.replace("a.example", "b.example"))
    assert "where its stored secrets must not go" in elsewhere.output
    assert vantage.apply(text.replace("a.example", "b.example")).exit_code == 0
    other = vantage.apply(kept.replace("X:", "Y:").replace("a.example", "b.example"))
    assert "no secret Y is stored yet" in other.output
    assert "1 to change" in vantage.apply("monitors: {a: {url: 'https://b.example/'}}").output
    assert fetch(vantage.url, "SELECT FROM vantage.secrets") == []


def test_who_is_asked_may_decline_and_what_changed_meanwhile_is_noticed(
    vantage: Vantage, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "monitors: {a: {url: 'http://a.example/'}}"
    answers: list[Callable[[], bool]] = [
        lambda: False, lambda: bool(vantage.changes(text)), lambda: True]  # fmt: skip
    monkeypatch.setattr("collector.operator.apply.is_asked", lambda: True)
    monkeypatch.setattr("click.confirm", lambda _: answers.pop(0)())
    assert "Nothing was changed." in vantage.apply(text).output
    assert fetch(vantage.url, "SELECT FROM vantage.monitors") == []
    assert "Something changed since you were asked" in vantage.apply(text).output
    assert "Applied." in vantage.apply(text.replace("a.example", "b.example")).output


def test_two_that_apply_at_once_follow_each_other(vantage: Vantage) -> None:
    (vantage.folder / "v.yaml").write_text("locations: {fra: {}}")
    documents = configuration.read([vantage.folder / "v.yaml"])

    def run(connection: db.Connection) -> list[Change]:
        return application.apply(
            connection, documents, keyring=vantage.keyring, prune=False, is_plan=False
        )

    with db.session(vantage.url) as one, db.session(vantage.url) as other:
        assert len(run(one)) == 1
        other.execute("SET lock_timeout = '200ms'")
        with pytest.raises(Exception, match="lock timeout"):
            run(other)
        other.rollback()
        one.commit()
        assert run(other) == []


def test_a_database_made_by_other_means_is_exported_whole(vantage: Vantage) -> None:
    with db.session(vantage.url) as connection:
        add_location(connection, name="fra", title="Frankfurt", latitude=50.110924, longitude=8.7)
        add_monitor(connection, 1, Monitor(url="dns://192.0.2.53/a.example", kind="request"))
    exported = vantage("export").output
    assert "latitude: 50.1109" in exported
    (vantage.folder / "v.yaml").write_text(exported)
    assert [action for action, _, _ in vantage.changes(exported)] == ["keep"]


def test_what_the_database_refuses_is_said_where_it_stands(vantage: Vantage) -> None:
    with psycopg.connect(vantage.owner, autocommit=True) as owner:
        owner.execute("""
            CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'Your plan has no room.' USING ERRCODE = 'VA402'; END $$;
            CREATE TRIGGER refuse BEFORE INSERT ON vantage.monitors
                FOR EACH ROW EXECUTE FUNCTION public.refuse()""")
    refused = vantage.apply("monitors:\n  a: {url: http://a.example/}")
    assert refused.output.endswith("v.yaml:2:6: monitors.a: Your plan has no room.\n")


EXAMPLES = re.findall(
    r"^```yaml\n(.*?)^```",
    (Path(__file__).parents[3] / "docs" / "configuration.md").read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)


def test_every_documented_example_is_applied_and_then_changes_nothing(
    vantage: Vantage, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = TestAuthority(vantage.folder).issue("me.example", is_for_clients=True)
    (vantage.folder / "me.pem").write_text(me.certificate.read_text())
    (vantage.folder / "me.key").write_text(me.key.read_text())
    (vantage.folder / "secrets").mkdir()
    (vantage.folder / "secrets" / "orders-key").write_text("hidden")
    (vantage.folder / "secrets" / "hook-url").write_text("https://hooks.example/ours")
    monkeypatch.setenv("ORDERS_LOGIN", "ann:hidden")
    monkeypatch.setenv("HOOK_SECRET", "hidden-from-everybody")
    monkeypatch.setenv("ON_CALL_URL", "slack://TTTTTTTTT/BBBBBBBBB/012345678901234567890123")
    assert len(EXAMPLES) >= 4
    for text in EXAMPLES:
        applied = vantage.apply(text)
        assert (applied.exit_code, "Applied." in applied.output) == (0, True), applied.output
        assert vantage.apply(text).output == "Nothing to change.\n", text
    assert vantage.apply(vantage("export").output).output == "Nothing to change.\n"
