"""What can be configured is one list: in the agent, the collector and docs/monitors.md."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import click
import psycopg
import pytest
from psycopg.types.json import Jsonb

from agent import assertion as agent_assertion
from agent import cli, json_path
from agent import result as agent_result
from agent.result import Assertion
from collector import assertion as collector_assertion
from collector import request as collector_request
from collector.errors import CollectorError
from collector.monitor import Monitor, check_monitor, check_url
from collector.operator.monitor import add
from collector.secret import Secrets
from tests.support.database import Database
from vantage.scheme import HTTP, SCHEMES, check_applicable, kinds_of, phases_of

DOCUMENT = (Path(__file__).parents[2] / "docs" / "monitors.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^vantage monitor add (.*)$", DOCUMENT, re.MULTILINE)
NOT_ABOUT_MONITORS = {"--home", "--database", "--database-file", "--help"}
ONLY_PROBE = {"--trust-ca", "--json", "--help"}
ONLY_MONITORS = {
    *("--name", "--account", "--location", "--interval", "--tag", "--paused", "--secret-key-file")
}


def options(command: click.Command) -> set[str]:
    return {name for each in command.params for name in each.opts if name.startswith("--")}


def test_every_option_is_documented_with_an_example_and_no_other() -> None:
    wanted = options(add) - NOT_ABOUT_MONITORS
    assert set(re.findall(r"^\| `(--[a-z-]+)", DOCUMENT, re.MULTILINE)) == wanted
    assert set(re.findall(r"--[a-z-]+", " ".join(COMMANDS))) == wanted


@pytest.mark.parametrize("command", COMMANDS)
def test_every_example_is_true(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is understood; what it does is tested on a real database elsewhere."""
    with add.make_context(
        "add", shlex.split(command.replace("--body-file order.json", ""))
    ) as made:
        check_url(made.params["target"])


def test_a_single_probe_has_the_same_options_but_for_when_where_and_whose() -> None:
    probe = options(cli.main.commands["probe"])
    assert probe - options(add) == ONLY_PROBE - {"--help"}
    assert options(add) - probe == ONLY_MONITORS | NOT_ABOUT_MONITORS - {"--help"}


def test_agent_and_collector_know_the_same_kinds() -> None:
    assert list(agent_assertion._KINDS) == list(collector_assertion.KINDS)
    documented = re.findall(r'"kind": "(\w+)"', DOCUMENT)
    assert set(documented) == set(collector_assertion.KINDS)


def test_every_documented_assertion_is_one_for_both() -> None:
    shown = [json.loads(text) for text in re.findall(r'`(\{"kind".*?\})`', DOCUMENT)]
    assert len(shown) >= len(collector_assertion.KINDS)
    collector_assertion.check_assertions(shown)
    for each in shown:
        agent_assertion.check_assertion(Assertion(**each))


def test_every_kind_makes_sense_for_some_scheme() -> None:
    everything = {kind for each in SCHEMES for kind in kinds_of(each)}
    assert everything == set(collector_assertion.KINDS)


def test_every_scheme_is_documented_with_its_phases_and_assertions() -> None:
    """The table of docs/monitors.md, row by row."""
    rows = re.findall(r"^\| (`[a-z0-9]+`(?:, `[a-z0-9]+`)*) \|(.*)\|$", DOCUMENT, re.MULTILINE)
    found = {
        name: rest.split("|") for names, rest in rows for name in re.findall(r"`(\w+)`", names)
    }
    assert set(found) == set(SCHEMES)
    for scheme, (port, _what, phases, kinds) in found.items():
        usual = SCHEMES[scheme]
        assert port.strip() == {None: "must be given", 0: "none"}.get(usual, str(usual))
        assert tuple(phases.strip().split(", ")) == phases_of(scheme)
        named = set(re.findall(r"`(\w+)`", kinds))
        assert named == set(kinds_of(scheme)) or scheme in HTTP


@pytest.mark.parametrize(
    ("url", "request_", "assertion", "complaint"),
    [
        ("tcp://a.example:22", {}, {"kind": "status", "expected": "200"}, "makes no sense for tcp"),
        (
            "icmp://a.example",
            {},
            {"kind": "body_contains", "expected": "a"},
            "limit, network, loss",
        ),
        ("https://a.example", {}, {"kind": "loss", "at_most": 5}, "makes no sense for https"),
        ("imap://a.example", {}, {"kind": "cert_days", "at_least": 5}, "no sense for imap"),
        ("dns://192.0.2.1/a", {}, {"kind": "limit", "name": "tls", "at_most": 5}, "no phase 'tls'"),
        ("tcp://a.example:22", {"method": "POST"}, None, "no use for the request's method"),
        ("ws://a.example", {"http_version": "2"}, None, "no use for the request's http_version"),
        ("smtp://a.example", {"is_insecure": True}, None, "no use for the request's is_insecure"),
        ("http://a.example", {"http_version": "3"}, None, "over TLS only; write https://"),
    ],
)
def test_what_makes_no_sense_is_refused_by_both(
    url: str, request_: dict[str, Any], assertion: dict[str, Any] | None, complaint: str
) -> None:
    judged = [assertion] if assertion else []
    defined = Monitor(url, request=collector_request.Request(**request_), assertions=tuple(judged))
    with pytest.raises(CollectorError, match=re.escape(complaint)):
        check_monitor(defined, Secrets())
    named = [(each["kind"], each.get("name", "")) for each in judged]
    with pytest.raises(ValueError, match=re.escape(complaint)):
        check_applicable(url.partition(":")[0], agent_result.Request(**request_), named)


@pytest.mark.parametrize(
    "path",
    [
        "$",
        "$.a",
        "$['a=b']",
        '$["\\""]',
        "$[0]",
        "$[-1]",
        "$[01]",
        "$..a",
        "$[*]",
        "a",
        "$.größe",
        "$a",
    ],
)
def test_agent_and_collector_read_the_same_paths(path: str) -> None:
    try:
        json_path.parse(path)
        is_path = True
    except ValueError:
        is_path = False
    assert bool(collector_assertion.JSON_PATH.fullmatch(path)) == is_path


def test_the_database_draws_the_same_lines(database: Database) -> None:
    """What the report centre stores is judged by SQL alone."""
    shown = [json.loads(text) for text in re.findall(r'`(\{"kind".*?\})`', DOCUMENT)]
    wrong: list[dict[str, Any]] = [
        {"kind": "nonsense"},
        {"kind": "status", "expected": "20x"},
        {"kind": "status", "expected": ""},
        {"kind": "status", "expected": "200", "name": "a"},
        {"kind": "status", "expected": "200", "degrades": "yes"},
        {"kind": "header_present", "name": "two words"},
        {"kind": "header_equals", "name": "A"},
        {"kind": "body_contains", "expected": "a" * 1001},
        {"kind": "json_equals", "name": "$..a", "expected": "1"},
        {"kind": "json_equals", "name": "$[01]", "expected": "1"},
        {"kind": "json_equals", "name": "$.a", "expected": "ok"},
        {"kind": "size"},
        {"kind": "size", "at_least": 2, "at_most": 1},
        {"kind": "size", "at_least": -1},
        {"kind": "size", "at_least": "1"},
        {"kind": "cert_days", "at_least": 1.5},
        {"kind": "limit", "name": "tea", "at_most": 1},
        {"kind": "url", "expected": "shop.example"},
        {"kind": "network", "expected": "10.1"},
        {"kind": "network", "expected": "10.0.0.1/8"},
        {"kind": "http_version", "expected": "1.2"},
    ]
    right: list[dict[str, Any]] = [
        {"kind": "status", "expected": " 200 - 299 ,304"},
        {"kind": "json_equals", "name": "$.größe[-1]['a\\'b'][\"c\"]", "expected": "null"},
        {"kind": "network", "expected": "2001:db8::/32"},
        {"kind": "network", "expected": "192.0.2.7"},
        {"kind": "limit", "name": "redirect", "at_most": 1},
        {"kind": "size", "at_most": 0},
    ]
    everything = [*shown, *wrong, *right]
    with psycopg.connect(database.url()) as connection:
        for scheme in SCHEMES:
            [found] = connection.execute(
                "SELECT vantage.phases_of(%s), vantage.expectations_of(%s)", [scheme, scheme]
            ).fetchall()
            assert tuple(found[0]) == phases_of(scheme)
            assert set(found[1]) == set(kinds_of(scheme))
            for assertion in everything if scheme in ("https", "icmp", "imaps") else []:
                [(why,)] = connection.execute(
                    "SELECT vantage.assertion_problem(%s, %s)", [Jsonb(assertion), scheme]
                )
                assert (why is None) == is_right(scheme, assertion), (scheme, assertion, why)
        for name, value in (
            *(("X-Tenant", "7"), ("Accept", ""), ("two words", "a"), ("", "a"), ("Te", "a")),
            *(("Content-Length", "1"), ("A", "a\nb"), ("A", "a\tb"), ("A", "a" * 4097), ("A", "ß")),
        ):
            [(why,)] = connection.execute("SELECT vantage.header_problem(%s, %s)", [name, value])
            assert (why is None) == is_sendable(name, value), (name, value, why)


def is_right(scheme: str, assertion: dict[str, Any]) -> bool:
    """Whether the collector takes an assertion."""
    try:
        collector_assertion.check_assertion(assertion)
        judged = [(assertion["kind"], assertion.get("name", ""))]
        check_applicable(scheme, collector_request.Request(), judged)
    except (CollectorError, ValueError):
        return False
    return True


def is_sendable(name: str, value: str) -> bool:
    """Whether the collector takes a header."""
    try:
        collector_request.check_header(name, value)
    except CollectorError:
        return False
    return True
