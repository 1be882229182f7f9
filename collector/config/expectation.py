"""Assertions in configuration files: as collector.assertion has them, in friendlier values.

A limit's ``at_most`` is a duration, and what json_equals expects is a value instead of JSON text.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from collector.assertion import KINDS, Assertion, check_assertion
from collector.config.shape import Choice, Field, Flag, Record, Schema, Shape, Span, Text, Whole
from collector.config.source import Part
from collector.errors import CollectorError
from collector.operator.duration import written
from vantage.phase import LIMITED

FIELDS = {"at_least", "at_most"}
NUMBER = Whole(0, 2**53)


class Json:
    """Any value that JSON has, as JSON text."""

    def read(self, part: Part) -> str:
        return json.dumps(value(part.node), ensure_ascii=False)

    def schema(self) -> Schema:
        return {}


def value(node: yaml.Node) -> Any:
    """Return what YAML's JSON subset means: 3, true, null, or else a text."""
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): value(each) for key, each in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [value(each) for each in node.value]
    if node.tag == "tag:yaml.org,2002:str":
        return node.value
    try:
        return json.loads(node.value)
    except ValueError:
        return node.value if node.value not in ("", "~") else None


def shape_of(kind: str, name: str) -> Shape:
    """Return what a field of a kind of assertion may be."""
    match kind, name:
        case "limit", "name":
            return Choice(LIMITED)
        case "limit", "at_most":
            return Span()
        case "json_equals", "expected":
            return Json()
        case _, ("at_least" | "at_most"):
            return NUMBER
        case _:
            return Text()


class Expectation:
    """One assertion."""

    def record(self, kind: str) -> Record:
        fields = tuple(
            Field(name, shape_of(kind, name), f"docs/monitors.md tells what {kind} looks at.",
                  is_required=kind != "size")
            for name in KINDS[kind]
        )  # fmt: skip
        degrades = Field("degrades", Flag(), "Not met, it degrades the result only.")
        return Record(f"assertion of kind {kind}", (Field("kind", Text(), ""), *fields, degrades))

    def read(self, part: Part) -> Assertion:
        expected = "an assertion, such as {kind: status, expected: 200-299}"
        items = part.items(expected)
        if "kind" not in items:
            raise part.mistake(f"'kind' is missing; expected {expected}.")
        kind = Choice(tuple(KINDS)).read(items["kind"][1])
        values = dict(self.record(kind).read(part).values)
        if kind == "limit":
            values["at_most"] = round(values["at_most"] * 1_000_000)
        if not values.get("degrades", True):
            del values["degrades"]
        try:
            check_assertion(values)
        except CollectorError as error:
            raise part.mistake(str(error)) from error
        return values

    def schema(self) -> Schema:
        kinds = []
        for kind in KINDS:
            schema = self.record(kind).schema()
            schema["properties"]["kind"] = {"const": kind}
            schema["required"] = ["kind", *schema["required"]]
            kinds.append(schema)
        return {"oneOf": kinds}


def document(assertion: Assertion) -> dict[str, Any]:
    """Write an assertion as a file has it."""
    found: dict[str, Any] = dict(assertion)
    if found["kind"] == "limit":
        found["at_most"] = written(found["at_most"] / 1_000_000)
    if found["kind"] == "json_equals":
        found["expected"] = json.loads(found["expected"])
    if not found.get("degrades", True):
        del found["degrades"]
    return found
