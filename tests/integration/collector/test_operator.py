"""The operator's commands as a person types them, on a real database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from collector import db
from collector.assigned import Assigned
from collector.keyring import Keyring
from collector.operator.main import main
from tests.support.collector import fetch
from tests.support.database import Database
from vantage.v1 import monitor_pb2


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


def test_what_a_monitor_depends_on(vantage: Vantage) -> None:
    for name in ("a", "b", "c"):
        assert vantage("monitor", "add", f"https://{name}.example/").exit_code == 0
    assert vantage("monitor", "depend", "1").output == "Monitor 1 depends on no other.\n"
    set_ = vantage("monitor", "depend", "1", "--on=3", "--on=2", "--on=3")
    assert set_.output == "Monitor 1 depends on 2 (b.example), 3 (c.example).\n"
    assert vantage("monitor", "depend", "2", "--on=3").exit_code == 0
    for arguments, sentence in (
        (("3", "--on=1"), "Monitor 3 would depend on itself, through others perhaps."),
        (("9", "--on=1"), "There is no monitor 9."),
        (("1", "--on=9"), "There is no monitor 9."),
        (("1", "--on=2", "--on-nothing"), "Give --on or --on-nothing."),
    ):
        refused = vantage("monitor", "depend", *arguments)
        assert refused.exit_code != 0
        assert sentence in refused.output
    assert vantage("monitor", "depend", "1").output == set_.output
    nothing = vantage("monitor", "depend", "1", "--on-nothing")
    assert nothing.output == "Monitor 1 depends on no other.\n"


def test_a_monitor_is_added_listed_and_removed(vantage: Vantage) -> None:
    assert vantage("location", "add", "fra", "--title=Frankfurt", "--country=de").exit_code == 0
    assert vantage("location", "add", "sin").exit_code == 0
    added = vantage(
        "monitor", "add", "https://a.example/", "--interval=5m", "--slow=800ms", "--timeout=3s"
    )
    assert added.output == "Watching https://a.example/ as monitor 1.\n"
    [monitor] = json.loads(vantage("monitor", "list", "--json").output)
    assert monitor["locations"] == ["fra", "sin"]
    assert monitor["state"] is None
    assert vantage("monitor", "edit", "1", "--paused").exit_code == 0
    assert json.loads(vantage("monitor", "list", "--json").output)[0]["state"] == "paused"
    assert (monitor["interval_s"], monitor["slow_us"], monitor["timeout_us"]) == (
        300,
        800_000,
        3_000_000,
    )
    assert vantage("monitor", "remove", "1").exit_code == 0
    assert json.loads(vantage("monitor", "list", "--json").output) == []
    again = vantage("monitor", "remove", "1")
    assert (again.exit_code, "vantage monitor list" in again.output) == (1, True)
    for command in (("incident", "list"), ("report",)):
        assert vantage(*command, "--monitor=1").exit_code == 0
        assert "There is no monitor 9." in vantage(*command, "--monitor=9").output


EVERY_OPTION = [
    "--method=put",
    "--header=Accept: text/html",
    "--header=X-Empty:",
    "--body={}",
    "--ip-version=6",
    "--http-version=2",
    "--insecure",
    "--no-compression",
    "--status=200-204,304",
    "--expect-http-version=2",
    "--expect-header=Content-Type",
    "--expect-header=Server: a ~ b: c",
    "--expect-header=Via ~ ^1\\.1 ",
    "--contains=Grüße",
    "--matches=(?i)ok$",
    "--json-path=$['a=b'][0]=ok",
    "--json-path=$.count=3",
    "--min-bytes=1",
    "--max-bytes=2000",
    "--cert-days=14",
    "--final-url=https://www.a.example/",
    "--network=2001:db8::/32",
    "--limit=total=800ms",
    "--limit=wait=2s:down",
]
ASSERTIONS: list[dict[str, Any]] = [
    {"kind": "status", "expected": "200-204,304"},
    {"kind": "http_version", "expected": "2"},
    {"kind": "header_present", "name": "Content-Type"},
    {"kind": "header_equals", "name": "Server", "expected": "a ~ b: c"},
    {"kind": "header_matches", "name": "Via", "expected": "^1\\.1"},
    {"kind": "body_contains", "expected": "Grüße"},
    {"kind": "body_matches", "expected": "(?i)ok$"},
    {"kind": "json_equals", "name": "$['a=b'][0]", "expected": '"ok"'},
    {"kind": "json_equals", "name": "$.count", "expected": "3"},
    {"kind": "size", "at_least": 1, "at_most": 2000},
    {"kind": "cert_days", "at_least": 14, "degrades": True},
    {"kind": "url", "expected": "https://www.a.example/"},
    {"kind": "network", "expected": "2001:db8::/32"},
    {"kind": "limit", "name": "total", "at_most": 800_000, "degrades": True},
    {"kind": "limit", "name": "wait", "at_most": 2_000_000, "degrades": False},
]


def assigned(vantage: Vantage) -> list[monitor_pb2.Monitor]:
    """What an agent at fra is told."""
    enrol = (
        "INSERT INTO vantage.agents (id, location, name, certificate_expires_at, takes_from)"
        " VALUES (%s, 'fra', 'one', now(), now()) RETURNING id"
    )
    fetch(vantage.url, "UPDATE vantage.agents SET takes_until = now() RETURNING id")
    [row] = fetch(vantage.url, enrol, [uuid4()])
    statements = db.queries("delivery")
    agents = fetch(vantage.url, statements["assigned"], {"agent_ids": [row["id"]]})
    monitor_ids = [each for agent in agents for each in agent["monitor_ids"]]
    monitors = fetch(vantage.url, statements["assigned_monitors"], {"monitor_ids": monitor_ids})
    told = Assigned(Keyring(Path("/nonexistent"))).update([row["id"]], agents, monitors)
    [(_, message)] = told
    return [each.monitor for each in message.assignments]


def test_every_option_is_stored_shown_and_told_to_agents(vantage: Vantage) -> None:
    vantage("location", "add", "fra")
    added = vantage("monitor", "add", "https://a.example/", *EVERY_OPTION)
    assert added.exit_code == 0, added.output
    shown = json.loads(vantage("monitor", "show", "1", "--json").output)
    headers = [{"name": "Accept", "value": "text/html"}, {"name": "X-Empty", "value": ""}]
    assert shown["assertions"] == ASSERTIONS
    assert shown["headers"] == headers
    assert (shown["method"], shown["body"]) == ("PUT", "{}")
    assert (shown["ip_version"], shown["http_version"]) == (6, "2")
    assert (shown["is_insecure"], shown["is_uncompressed"]) == (True, True)
    [monitor] = assigned(vantage)
    assert monitor.request == monitor_pb2.Request(
        method="PUT",
        headers=[monitor_pb2.Header(**header) for header in headers],
        body=b"{}",
        http_version="2",
        is_insecure=True,
        is_uncompressed=True,
    )
    assert monitor.ip_version == 6
    assert list(monitor.assertions) == [monitor_pb2.Assertion(**each) for each in ASSERTIONS]


def test_a_plain_monitor_is_told_as_one(vantage: Vantage) -> None:
    vantage("location", "add", "fra")
    vantage("monitor", "add", "http://a.example/")
    [monitor] = assigned(vantage)
    assert monitor.request == monitor_pb2.Request(method="GET")
    assert (monitor.ip_version, list(monitor.assertions)) == (0, [])


def test_a_body_from_a_file_makes_a_post(vantage: Vantage, tmp_path: Path) -> None:
    vantage("location", "add", "fra")
    (tmp_path / "body").write_bytes(b"\x00\xffbinary")
    vantage("monitor", "add", "http://a.example/", f"--body-file={tmp_path}/body")
    [monitor] = assigned(vantage)
    assert (monitor.request.method, monitor.request.body) == ("POST", b"\x00\xffbinary")
    assert json.loads(vantage("monitor", "show", "1", "--json").output)["body"] == "\x00\\xffbinary"


def test_a_monitor_is_shown_to_people(vantage: Vantage) -> None:
    vantage("location", "add", "fra")
    vantage("monitor", "add", "https://a.example/", "--header=A: b", "--limit=wait=300ms")
    lines = vantage("monitor", "show", "1").output.splitlines()
    assert "URL                 https://a.example/" in lines
    assert "HEADERS             A: b" in lines
    assert "ASSERTIONS          limit wait at most 300 ms (else degraded)" in lines
    assert "BODY                -" in lines
    assert "PAUSED BY LICENCE   no" in lines
    missing = vantage("monitor", "show", "2")
    assert (missing.exit_code, "vantage monitor list" in missing.output) == (1, True)


def test_a_row_nobody_can_use_is_told(vantage: Vantage) -> None:
    vantage("location", "add", "fra")
    vantage("monitor", "add", "http://a.example/")
    for broken in ('[{"kind": 3}]', '[{"colour": "red"}]', "[1]"):
        change = "UPDATE vantage.monitors SET assertions = %s::jsonb RETURNING id"
        fetch(vantage.url, change, [broken])
        with capture_logs() as said:
            assert assigned(vantage) == []
        assert [(each["event"], each["monitor_id"]) for each in said] == [("monitor_unusable", 1)]


SETTINGS = (
    *("name", "url", "kind", "method", "body", "ip_version", "is_insecure", "slow_us"),
    *("interval_s", "locations", "is_everywhere", "max_redirects", "phase_timeouts"),
)


def settings(vantage: Vantage) -> dict[str, object]:
    shown = json.loads(vantage("monitor", "show", "1", "--json").output)
    return {name: shown[name] for name in SETTINGS}


def test_an_edit_changes_what_is_given_and_nothing_else(vantage: Vantage) -> None:
    for name in ("fra", "sin"):
        vantage("location", "add", name)
    vantage("monitor", "add", "https://a.example/", *EVERY_OPTION, "--slow=2s", "--location=fra")
    before = settings(vantage)
    edited = vantage("monitor", "edit", "1", "--interval=30s", "--limit=total=2s", "--unset=slow")
    assert edited.output.splitlines()[:3] == [
        "Changed monitor 1:",
        "    interval: 1m -> 30s",
        "    slow: 2s -> none",
    ]
    assert vantage("monitor", "edit", "1", "--interval=30s").output == "Nothing to change.\n"
    assert settings(vantage) == {**before, "interval_s": 30, "slow_us": None}
    assertions = json.loads(vantage("monitor", "show", "1", "--json").output)["assertions"]
    others = [each for each in ASSERTIONS if each["kind"] != "limit"]
    limit = {"kind": "limit", "name": "total", "at_most": 2_000_000, "degrades": True}
    assert assertions == [*others, limit]
    vantage(
        "monitor", "edit", "1", "--unset=location", "--unset=insecure", "--url=https://b.example/"
    )
    assert settings(vantage) == {
        **before,
        **{"interval_s": 30, "slow_us": None, "url": "https://b.example/", "name": "b.example"},
        **{"is_insecure": False, "is_everywhere": True, "locations": ["fra", "sin"]},
    }


def test_an_edit_pauses_and_resumes(vantage: Vantage) -> None:
    vantage("location", "add", "fra")
    added = vantage("monitor", "add", "http://a.example/", "--paused", "--tag=B", "--tag=a")
    assert added.output == (
        "Watching http://a.example/ as monitor 1 once it is no longer paused:"
        " vantage monitor edit 1 --unset paused\n"
    )
    assert assigned(vantage) == []
    vantage("monitor", "edit", "1", "--unset=paused")
    assert len(assigned(vantage)) == 1
    vantage("monitor", "edit", "1", "--paused", "--body=x")
    shown = json.loads(vantage("monitor", "show", "1", "--json").output)
    assert (shown["method"], shown["body"], shown["paused_at"] is None) == ("POST", "x", False)
    assert shown["tags"] == ["a", "b"]
    vantage("monitor", "edit", "1", "--unset=tag")
    assert json.loads(vantage("monitor", "show", "1", "--json").output)["tags"] == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "There is nothing to change"),
        (["--unset=colour"], "--unset 'colour': there is auth-file, body"),
        (["--unset=slow", "--slow=1s"], "--slow is both given and unset"),
        (["--slow=30s"], "at most the timeout"),
        (["--page", "--method=POST"], "leave out --page"),
        (["--location=mars"], "no location 'mars'"),
        (["--tag=a,b"], "'a,b' is no tag"),
    ],
)
def test_a_bad_edit_changes_nothing(vantage: Vantage, options: list[str], sentence: str) -> None:
    vantage("location", "add", "fra")
    vantage("monitor", "add", "https://a.example/")
    before = vantage("monitor", "show", "1").output
    refused = vantage("monitor", "edit", "1", *options)
    assert refused.exit_code != 0
    assert sentence in " ".join(refused.output.split())
    assert vantage("monitor", "show", "1").output == before
    assert "vantage monitor list" in vantage("monitor", "edit", "2", "--slow=1s").output


NOBODY = "00000000-0000-0000-0000-000000000000"


def bad(*options: str) -> list[str]:
    return ["monitor", "add", "http://a.example", *options]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (bad("--method=BREW"), "'BREW' is not one of"),
        (bad("--method=HEAD", "--body=x"), "A HEAD request has no body"),
        (bad("--body="), "The body has 0 bytes"),
        (bad("--body=x", "--body-file=/dev/null"), "give one of them"),
        (bad("--body-file=/nonexistent"), "/nonexistent"),
        (bad("--header=Accept"), "has no colon"),
        (bad("--header=Content-Length: 3"), "cannot be set"),
        (bad("--header=A: \x01"), "holds what cannot be sent"),
        (bad("--header=A B: c"), "is no header name"),
        (bad("--status=2xx"), "such as 200-299,304"),
        (bad("--status=99"), "such as 200-299,304"),
        (bad("--expect-header=: x"), "write 'Name', 'Name: value'"),
        (bad("--expect-header=A ~ ("), "missing ): ("),
        (bad("--expect-header=A:"), "a text of 1 to 1000 characters"),
        (bad("--contains="), "a text of 1 to 1000 characters"),
        (bad("--contains=" + "x" * 1001), "a text of 1 to 1000 characters"),
        (bad("--matches=(a)\\1"), "invalid escape sequence"),
        (bad("--matches=" + "\\pL" * 9), "instructions"),
        (bad("--json-path=status=ok"), "wildcards and filters are not supported"),
        (bad("--json-path=$.a[*]=ok"), "wildcards and filters are not supported"),
        (bad("--json-path=$.a"), "write a path to one value"),
        (bad("--min-bytes=3", "--max-bytes=2"), "at least 3 and at most 2"),
        (bad("--max-bytes=-1"), "a whole number from 0 on"),
        (bad("--cert-days=soon"), "such as 14 or 3:down"),
        (bad("--limit=total"), "such as 500ms"),
        (bad("--limit=thinking=3s"), "'thinking' is none of total, redirect, dns"),
        (bad("--limit=wait=3s:sideways"), "such as 500ms"),
        (bad("--final-url=www.a.example"), "begin with http:// or https://"),
        (bad("--network=10.0.0.1/8"), "has host bits set"),
        (bad("--expect-http-version=2.0"), "1.0, 1.1, 2, 3"),
        (bad(*["--contains=x"] * 51), "51 assertions; the limit is 50"),
    ],
)
def test_a_bad_definition_is_answered_before_anything_is_stored(
    vantage: Vantage, arguments: list[str], sentence: str
) -> None:
    result = vantage(*arguments)
    assert result.exit_code != 0
    assert sentence in " ".join(result.output.split())
    assert json.loads(vantage("monitor", "list", "--json").output) == []


def test_lists_are_readable(vantage: Vantage) -> None:
    vantage("location", "add", "fra", "--title=Frankfurt", "--asn=64496")
    assert vantage("location", "list").output.splitlines() == [
        "NAME  TITLE      REGION  COUNTRY  ASN    AGENTS ONLINE",
        "fra   Frankfurt  -       -        64496  0",
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["monitor", "add", "a.example"], "must begin with http:// or https://"),
        (["monitor", "add", "http://a.example", "--interval=0.5s"], "1 s to 24 h"),
        (["monitor", "add", "http://a.example", "--timeout=2m"], "0.1 s to 60 s"),
        (["monitor", "add", "http://a.example", "--slow=30s"], "at most the timeout"),
        (["monitor", "add", "http://a.example", "--location=mars"], "no location 'mars'"),
        (["monitor", "add", "http://a.example", "--account=other"], "no account 'other'"),
        (["location", "add", "Not A Name"], "'Not A Name' is no name of a location"),
        (["location", "add", "x", "--country=DEU"], "'DEU' is no country: write the two letters"),
        (["location", "add", "x", "--latitude=1"], "--longitude"),
        (["location", "add", "x", "--latitude=nan", "--longitude=1"], "nan is no latitude"),
        (["agent", "token", "--location=fra", "--collector=here"], "host:port"),
        (["agent", "token", "--location=fra", "--collector=c:1"], "No collector has run"),
        (["agent", "token"], "--location, or an --agent"),
        (["agent", "token", "--location=a", "--agent=" + NOBODY], "--location, or an --agent"),
        (["agent", "token", "--agent=" + NOBODY, "--collector=c:1"], "vantage agent list"),
        (["agent", "revoke", NOBODY], f"no agent {NOBODY}. See: vantage agent list"),
        (["agent", "events", "--agent=" + NOBODY], f"no agent {NOBODY}. See: vantage agent list"),
        (["account", "add", "acme", "--email=b@c.de", "--password-file=/dev/null"], "empty"),
        (["account", "add", "acme", "--email=b@c.de"], "There is no terminal"),
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


def test_another_schema_is_said_to_be_one(vantage: Vantage, database: Database) -> None:
    with psycopg.connect(database.url(), autocommit=True) as owner:
        owner.execute("ALTER TABLE vantage.locations RENAME COLUMN asn TO a_s_n")
    result = vantage("location", "add", "fra")
    assert result.exit_code == 1
    assert "schema is another than this program's: column" in result.output


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--database=secret://a", "The database's URL cannot be read"),
        ("--database-file=no-such", "no-such cannot be read: No such file or directory."),
        ("--database-file=/dev/null", "/dev/null is empty."),
    ],
)
def test_a_database_that_cannot_be_named_so_is_said_to_be(option: str, sentence: str) -> None:
    result = CliRunner().invoke(main, ["monitor", "list", option])
    assert isinstance(result.exception, SystemExit)
    assert sentence in result.output
    assert "secret" not in result.output


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
