"""What a value in a configuration file may be: how it is read, and how JSON Schema says it.

``read`` raises Mistake, which names the place and what was expected.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import click
import yaml

from collector.config.source import Mistake, Part
from collector.errors import CollectorError
from collector.operator.duration import DURATION, Duration

Schema = dict[str, Any]

TRUE, FALSE = ("true", "yes", "on"), ("false", "no", "off")
REFERENCES = ("env", "file")


class Shape(Protocol):
    """One kind of value."""

    def read(self, part: Part) -> Any: ...

    def schema(self) -> Schema: ...


def ok(_value: Any) -> None:
    """Take whatever has the right shape."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text. ``check`` raises CollectorError, saying why, for one that cannot be."""

    expected: str = "a text"
    pattern: str | None = None
    check: Callable[[str], None] = ok

    def read(self, part: Part) -> str:
        text = part.scalar(self.expected)
        if self.pattern is not None and not re.fullmatch(self.pattern, text):
            raise part.mistake(f"{text[:80]!r} is not {self.expected}.")
        try:
            self.check(text)
        except CollectorError as error:
            raise part.mistake(str(error)) from error
        return text

    def schema(self) -> Schema:
        if self.pattern is not None:
            return {"type": "string", "pattern": f"^{self.pattern}$"}
        return {"type": ["string", "number"]}  # 204 is read as it is written


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within bounds."""

    least: int
    most: int

    def read(self, part: Part) -> int:
        expected = f"a whole number from {self.least} to {self.most}"
        text = part.scalar(expected)
        if not re.fullmatch(r"-?\d{1,18}", text) or not self.least <= int(text) <= self.most:
            raise part.mistake(f"{text[:80]!r} is not {expected}.")
        return int(text)

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Number:
    """A number within bounds."""

    least: float
    most: float

    def read(self, part: Part) -> float:
        expected = f"a number from {self.least:g} to {self.most:g}"
        text = part.scalar(expected)
        if (
            not re.fullmatch(r"[-+]?\d+(\.\d+)?", text)
            or not self.least <= float(text) <= self.most
        ):
            raise part.mistake(f"{text[:80]!r} is not {expected}.")
        return float(text)

    def schema(self) -> Schema:
        return {"type": "number", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    def read(self, part: Part) -> bool:
        text = part.scalar("true or false").lower()
        if text not in (*TRUE, *FALSE):
            raise part.mistake(f"{text[:80]!r} is not true or false.")
        return text in TRUE

    def schema(self) -> Schema:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words; those that look like numbers may be written as such."""

    words: Sequence[str]

    def read(self, part: Part) -> str:
        expected = f"one of {', '.join(self.words)}"
        text = part.scalar(expected)
        if text not in self.words:
            raise part.mistake(f"{text[:80]!r} is not {expected}.")
        return text

    def schema(self) -> Schema:
        numbers = [yaml.safe_load(word) for word in self.words if re.fullmatch(r"[\d.]+", word)]
        return {"enum": [*self.words, *numbers]}


@dataclass(frozen=True, slots=True)
class Span:
    """A duration, as seconds."""

    def read(self, part: Part) -> float:
        expected = "a duration, such as 500ms, 30s, 5m or 1h"
        text = part.scalar(expected)
        try:
            return Duration().convert(text, None, None)
        except click.BadParameter as error:
            raise part.mistake(f"{text[:80]!r} is not {expected}.") from error

    def schema(self) -> Schema:
        return {"type": ["string", "number"], "pattern": f"^{DURATION.pattern}$"}


@dataclass(frozen=True, slots=True)
class LocalTime:
    """A date and time by clocks that another field names."""

    pattern = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?"

    def read(self, part: Part) -> datetime:
        expected = "a date and time without a zone, such as 2026-12-01 22:00"
        text = part.scalar(expected)
        try:
            if not re.fullmatch(self.pattern, text):
                raise ValueError(text)
            return datetime.fromisoformat(text)
        except ValueError as error:
            raise part.mistake(f"{text[:80]!r} is not {expected}.") from error

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^{self.pattern}$"}


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of one shape."""

    of: Shape
    expected: str
    most: int = 500

    def read(self, part: Part) -> list[Any]:
        entries = part.entries(self.expected)
        if len(entries) > self.most:
            raise part.mistake(f"{len(entries)} entries; the limit is {self.most}.")
        return [self.of.read(each) for each in entries]

    def schema(self) -> Schema:
        return {"type": "array", "items": self.of.schema(), "maxItems": self.most}


@dataclass(frozen=True, slots=True)
class Names:
    """A mapping whose keys are the user's own, its values of one shape; a key has a shape, too."""

    of: Shape
    expected: str
    key: Text = field(default_factory=Text)

    def read(self, part: Part) -> dict[str, Any]:
        return {
            self.key.read(key): self.of.read(value)
            for key, value in part.items(self.expected).values()
        }

    def schema(self) -> Schema:
        schema: Schema = {"type": "object", "additionalProperties": self.of.schema()}
        return schema | (
            {"propertyNames": {"pattern": f"^{self.key.pattern}$"}} if self.key.pattern else {}
        )


@dataclass(frozen=True, slots=True)
class Either:
    """A list, or what is not a list."""

    one: Shape
    several: Listing

    def read(self, part: Part) -> Any:
        is_list = isinstance(part.node, yaml.SequenceNode)
        return (self.several if is_list else self.one).read(part)

    def schema(self) -> Schema:
        return {"anyOf": [self.one.schema(), self.several.schema()]}


@dataclass(frozen=True, slots=True)
class Field:
    """A key of a record and what it means. ``option``: of vantage monitor add, where it has one."""

    name: str
    shape: Shape
    meaning: str
    is_required: bool = False
    option: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A mapping with keys of ours."""

    what: str
    fields: tuple[Field, ...]

    def read(self, part: Part) -> Read:
        items = {} if part.is_null else part.items(f"a mapping that describes {one(self.what)}")
        shapes = {each.name: each.shape for each in self.fields}
        values: dict[str, Any] = {}
        mistakes: list[Mistake] = []
        for name, (key, value) in items.items():
            try:
                if name not in shapes:
                    raise key.mistake(unknown(name, shapes, self.what))
                values[name] = shapes[name].read(value)
            except Mistake as mistake:
                mistakes.append(mistake)
        for each in self.fields:
            if each.is_required and each.name not in items:
                mistakes.append(part.mistake(f"{each.name!r} is missing: {each.meaning}"))
        if mistakes:
            raise Mistake("\n".join(map(str, mistakes)))
        return Read(values, part, {name: value for name, (_, value) in items.items()})

    def schema(self) -> Schema:
        required = [each.name for each in self.fields if each.is_required]
        return {
            "type": "object" if required else ["object", "null"],
            "properties": {
                each.name: {"description": each.meaning, **each.shape.schema()}
                for each in self.fields
            },
            "required": required,
            "additionalProperties": False,
        }


@dataclass(frozen=True, slots=True)
class Read:
    """A record's values, and where they stand."""

    values: Mapping[str, Any]
    part: Part
    parts: Mapping[str, Part]

    def mistake(self, error: CollectorError) -> Mistake:
        """Say at the field that an error is about, or else at the whole, what is wrong."""
        return self.parts.get(error.field or "", self.part).mistake(str(error))


def unknown(name: str, known: Mapping[str, Any], what: str) -> str:
    """Say that a key is not known, and which one may be meant."""
    close = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"there is {', '.join(known)}."
    return f"{one(what)} has no {name[:80]!r}; {hint}"


def one(what: str) -> str:
    """Put the article before a noun."""
    return f"{'an' if what[0] in 'aeiou' else 'a'} {what}"


@dataclass(frozen=True, slots=True)
class Long:
    """A text, or where it stands: {file: PATH}, from the file's own directory, or {env: NAME}."""

    expected: str = "a text, {file: PATH} or {env: NAME}"

    def read(self, part: Part) -> str:
        return referred(part, self.expected) if part.is_mapping else part.scalar(self.expected)

    def schema(self) -> Schema:
        return {"anyOf": [{"type": "string"}, *reference_schemas()]}


class Stored:
    """Stands for a secret that the installation holds already."""

    def __repr__(self) -> str:
        return "stored"


STORED = Stored()


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret stands, never the secret itself: {env: NAME}, {file: PATH} or stored."""

    check: Callable[[str], None] = ok

    def read(self, part: Part) -> str | Stored:
        expected = "{env: NAME}, {file: PATH}, or stored where it is set already"
        if not part.is_mapping:
            if part.is_null or part.scalar(expected) != "stored":
                # Never what stands there: it may be a secret.
                raise part.mistake(f"a secret is not written into the file; expected {expected}.")
            return STORED
        secret = referred(part, expected)
        try:
            self.check(secret)
        except CollectorError as error:
            raise part.mistake(str(error)) from error
        return secret

    def schema(self) -> Schema:
        return {"anyOf": [{"const": "stored"}, *reference_schemas()]}


def reference_schemas() -> list[Schema]:
    """Say in JSON Schema what a reference is."""
    return [
        {
            "type": "object",
            "properties": {name: {"type": "string"}},
            "required": [name],
            "additionalProperties": False,
        }
        for name in REFERENCES
    ]


def referred(part: Part, expected: str) -> str:
    """Return what a reference leads to, without the white space around it. Raises: Mistake."""
    items = part.items(expected)
    if len(items) != 1 or not items.keys() <= set(REFERENCES):
        raise part.mistake(f"this is no reference; expected {expected}.")
    [(kind, (_, value))] = items.items()
    name = value.scalar("a name")
    if kind == "env":
        found = os.environ.get(name)
        if found is None:
            raise value.mistake(f"the environment has no {name}.")
    else:
        path = Path(name) if part.file == "standard input" else Path(part.file).parent / name
        try:
            found = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise value.mistake(f"{path} cannot be read: {why}.") from error
    if not found.strip():
        raise value.mistake(f"{name} is empty.")
    return found.strip()
