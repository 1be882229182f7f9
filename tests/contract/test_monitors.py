"""What can be configured is one list: in the agent, the collector and docs/monitors.md."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from agent import assertion as agent_assertion
from agent import cli, json_path
from agent import request as agent_request
from agent.result import Assertion
from collector import assertion as collector_assertion
from collector import request as collector_request
from collector.operator.monitor import add

DOCUMENT = (Path(__file__).parents[2] / "docs" / "monitors.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^vantage monitor add (.*)$", DOCUMENT, re.MULTILINE)
NOT_ABOUT_MONITORS = {"--home", "--database", "--database-file", "--help"}
ONLY_PROBE = {"--trust-ca", "--json", "--help"}


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
        assert made.params["target"].startswith("http")


def test_a_single_probe_has_the_same_names() -> None:
    probe = options(cli.main.commands["probe"]) - ONLY_PROBE
    assert probe <= options(add)


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


def test_agent_and_collector_draw_the_same_lines() -> None:
    assert agent_request.METHODS == collector_request.METHODS
    assert agent_request.MAX_BODY_BYTES == collector_request.BODY_MAX
    assert agent_request._FRAMING == collector_request.FRAMING
    assert agent_request._NAME.pattern == collector_request.NAME.pattern
    assert agent_request._UNSENDABLE.pattern == collector_request.UNSENDABLE.pattern
    assert set(agent_assertion.LIMITED) == set(collector_assertion.LIMITED)
    assert agent_assertion.HTTP_VERSIONS == collector_assertion.HTTP_VERSIONS
    assert agent_assertion._RE2_INSTRUCTIONS == collector_assertion.RE2_INSTRUCTIONS
    assert agent_assertion._RE2_BYTES == collector_assertion.RE2_BYTES


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
