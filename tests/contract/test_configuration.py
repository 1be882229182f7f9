"""Files, their JSON Schema, docs/configuration.md and the options of `monitor add` say the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from collector.config import kinds
from collector.config.configuration import read
from collector.config.monitors import FIELDS
from collector.config.source import Mistake
from collector.operator.monitor import add
from tests.contract.test_monitors import NOT_ABOUT_MONITORS, options

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "configuration.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SCHEMA = json.loads((DOCS / "monitors.schema.json").read_text(encoding="utf-8"))
OF_OTHER_FIELDS = {"--account", "--auth", "--body-file", "--secret-key-file"}
ASSERTIONS = {
    *("--status", "--expect-header", "--contains", "--matches", "--json-path", "--min-bytes"),
    *("--max-bytes", "--cert-days", "--limit", "--final-url", "--network", "--max-loss"),
    "--expect-http-version",
}


def is_valid(text: str) -> bool:
    """Judge every document by the schema, as an editor would."""
    judge = jsonschema_rs.validator_for(SCHEMA)
    return all(
        judge.is_valid(json.loads(json.dumps(document, default=str)))
        for document in yaml.safe_load_all(text)
    )


def test_the_published_schema_is_that_of_the_program() -> None:
    assert kinds.schema() == SCHEMA, "vantage apply --schema > docs/monitors.schema.json"
    jsonschema_rs.meta.validate(SCHEMA)


def test_every_option_has_a_field_and_every_field_a_line() -> None:
    ours = {each.option for each in FIELDS if each.option}
    assert ours | ASSERTIONS | OF_OTHER_FIELDS == options(add) - NOT_ABOUT_MONITORS
    lines = re.findall(r"^\| `(\w+)` \| (?:`(--[a-z-]+)`|the \w+) \| (.*) \|$", PAGE, re.MULTILINE)
    assert [(name, option or None) for name, option, _ in lines] == [
        (each.name, each.option) for each in FIELDS
    ]
    for (_, _, meaning), each in zip(lines, FIELDS, strict=True):
        assert meaning.startswith(each.meaning.split("(")[0].split(",")[0].rstrip(" .")), each.name


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_is_valid(text: str) -> None:
    assert is_valid(text)


@pytest.mark.parametrize(
    "text",
    [
        "monitors: {a: {}}",
        "monitors: {a: {url: 'http://a.example', colour: red}}",
        "monitors: {a: {url: 'http://a.example', interval: soon}}",
        "monitors: {a: {url: 'http://a.example', page: 'maybe'}}",
        "monitors: {a b: {url: 'http://a.example'}}",
        "monitors: {a: {url: 'http://a.example', client_key: 'PEM'}}",
        "monitors: {a: {url: 'http://a.example', authorization: {basic: 'ann:secret'}}}",
        "monitors: {a: {url: 'http://a.example', assertions: [{kind: status}]}}",
        "monitors: {a: {url: 'http://a.example', assertions: [{kind: colour, expected: 1}]}}",
        "monitors: {a: {url: 'http://a.example', locations: fra}}",
        "locations: {fra: {latitude: 91, longitude: 0}}",
        "maintenance: {a: {from: 2026-12-01 22:00}}",
        "maintenance: {a: {from: tonight, for: 1h}}",
        "maintenance_rules: {a: {from: 2026-12-01 22:00, for: 1h}}",
        "dependencies: {a: {monitor: a}}",
        "channels: {a: {address: 'https://hooks.example/key'}}",
        "channels: {a: {address: ann@acme.example, quiet: 22-7}}",
        "status_pages: {acme: {title: '', monitors: []}}",
        "status_pages: {acme: {title: A, address: Acme, monitors: []}}",
        "monitor: {}",
    ],
)
def test_schema_and_program_refuse_the_same(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    assert not is_valid(text)
    with pytest.raises(Mistake):
        read([tmp_path / "a.yaml"])


def test_a_number_may_stand_for_a_text(tmp_path: Path) -> None:
    text = "monitors: {a: {url: 'http://a.example', assertions: [{kind: status, expected: 204}]}}"
    (tmp_path / "a.yaml").write_text(text)
    assert is_valid(text)
    read([tmp_path / "a.yaml"])


def test_every_kind_of_assertion_is_in_the_schema() -> None:
    shown: list[dict[str, Any]] = [
        json.loads(text)
        for text in re.findall(
            r'`(\{"kind".*?\})`', (DOCS / "monitors.md").read_text(encoding="utf-8")
        )
    ]
    for each in shown:
        if each["kind"] == "limit":
            each["at_most"] = "800ms"
        monitor = {"url": "https://a.example/", "assertions": [each]}
        assert is_valid(json.dumps({"monitors": {"a": monitor}})), each
