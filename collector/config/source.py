"""Configuration files: YAML taken apart, every part knowing where it stands.

Values are read by the shape that is expected of them, never by YAML's own guesses: a country NO
stays a text. Anchors, aliases and merge keys (<<) work.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from collector.errors import CollectorError, reason

SUFFIXES = (".yaml", ".yml")
PARTS_MAX = 1_000_000  # aliases of aliases multiply
MERGE = "tag:yaml.org,2002:merge"
NULL = "tag:yaml.org,2002:null"


class Mistake(CollectorError):
    """What is wrong in a file; the message begins with file:line:column and the path of keys."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a file. ``path``: the keys that lead to it, such as monitors.shop.interval."""

    node: yaml.Node
    file: str
    path: str = ""

    def mistake(self, message: str) -> Mistake:
        """Say what is wrong here."""
        mark = self.node.start_mark
        where = f"{self.path}: " if self.path else ""
        return Mistake(f"{self.file}:{mark.line + 1}:{mark.column + 1}: {where}{message}")

    @property
    def is_null(self) -> bool:
        """Whether there is nothing."""
        return self.node.tag == NULL

    @property
    def is_mapping(self) -> bool:
        """Whether it consists of keys and values."""
        return isinstance(self.node, yaml.MappingNode)

    def scalar(self, expected: str) -> str:
        """Return the text as it is written. Raises: Mistake."""
        if not isinstance(self.node, yaml.ScalarNode) or self.is_null:
            raise self.mistake(f"{self.what()}; expected {expected}.")
        return str(self.node.value)

    def entries(self, expected: str) -> list[Part]:
        """Return the parts of a list. Raises: Mistake."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.mistake(f"{self.what()}; expected {expected}.")
        return [
            Part(node, self.file, f"{self.path}[{number}]")
            for number, node in enumerate(self.node.value)
        ]

    def items(self, expected: str) -> dict[str, tuple[Part, Part]]:
        """Return the keys and values of a mapping, each by its key. Raises: Mistake."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.mistake(f"{self.what()}; expected {expected}.")
        merged: dict[str, tuple[Part, Part]] = {}
        own: dict[str, tuple[Part, Part]] = {}
        for key_node, node in self.node.value:
            key = Part(key_node, self.file, self.path)
            if key_node.tag == MERGE:
                merged = {**self.merged(node), **merged}
                continue
            name = key.scalar("a key")
            if name in own:
                line = own[name][0].node.start_mark.line + 1
                raise key.mistake(f"{name!r} is there already, in line {line}.")
            own[name] = key, Part(node, self.file, f"{self.path}.{name}".removeprefix("."))
        return {**merged, **own}

    def merged(self, node: yaml.Node) -> dict[str, tuple[Part, Part]]:
        """Return what << brings in: a mapping's items, or those of several, the first winning."""
        part = Part(node, self.file, self.path)
        found: dict[str, tuple[Part, Part]] = {}
        several = part.entries("") if isinstance(node, yaml.SequenceNode) else [part]
        for each in several:
            found = {**Part(each.node, self.file, self.path).items("a mapping to merge"), **found}
        return found

    def what(self) -> str:
        """Name what stands here instead."""
        match self.node:
            case yaml.MappingNode():
                return "this is a mapping"
            case yaml.SequenceNode():
                return "this is a list"
            case _:
                return "there is nothing" if self.is_null else f"{self.node.value[:80]!r}"


def documents(paths: Sequence[Path]) -> Iterator[Part]:
    """Yield every document of every file; those of a directory in the order of their paths.

    Raises: CollectorError for what cannot be read, Mistake for what is no YAML.
    """
    for file in files(paths):
        try:
            text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CollectorError(f"{file} cannot be read: {reason(error)}.") from error
        yield from parsed(text, "standard input" if str(file) == "-" else str(file))


def parsed(text: str, file: str) -> Iterator[Part]:
    """Yield the documents of a text that are not empty. Raises: Mistake."""
    try:
        # The C parser where PyYAML has it: ten times as fast.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        for node in yaml.compose_all(text, Loader=loader):
            if node is not None and node.tag != NULL:
                check_extent(node, file)
                yield Part(node, file)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise Mistake(f"{file}{at}: this is not YAML: {error.problem or error.context}.") from error
    except yaml.YAMLError as error:
        raise Mistake(f"{file}: this is not YAML: {error}.") from error


def check_extent(root: yaml.Node, file: str) -> None:
    """Refuse what would take for ever: a node within itself, aliases of aliases of aliases."""
    sizes: dict[int, int] = {}
    under_way: set[int] = set()

    def size(node: yaml.Node) -> int:
        if id(node) in sizes:
            return sizes[id(node)]
        if id(node) in under_way:
            raise Part(node, file).mistake("this contains itself.")
        under_way.add(id(node))
        total = 1
        if isinstance(node, yaml.MappingNode):
            total += sum(size(key) + size(value) for key, value in node.value)
        elif isinstance(node, yaml.SequenceNode):
            total += sum(size(each) for each in node.value)
        under_way.remove(id(node))
        sizes[id(node)] = total
        if total > PARTS_MAX:
            raise Part(node, file).mistake(f"this has more than {PARTS_MAX:,} parts.")
        return total

    try:
        size(root)
    except RecursionError as error:
        raise Part(root, file).mistake("this is nested too deeply.") from error


def files(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield the files that are meant. Raises: CollectorError."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(
            each
            for each in path.rglob("*")
            if each.suffix in SUFFIXES
            and each.is_file()
            and not any(part.startswith(".") for part in each.relative_to(path).parts)
        )
        if not found:
            raise CollectorError(f"{path} holds no file that ends in .yaml or .yml.")
        yield from found
