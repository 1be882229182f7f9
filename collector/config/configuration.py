"""What files say altogether, read and checked before any database is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collector.config.kind import KEY, Kind
from collector.config.kinds import KINDS, OWN
from collector.config.shape import Text, unknown
from collector.config.source import Mistake, Part, documents


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing. ``part``: where its key stands."""

    kind: Kind
    key: str
    wanted: Any
    part: Part


@dataclass(frozen=True, slots=True)
class Document:
    """One document. ``account`` None: it names none."""

    account: str | None
    part: Part
    entries: list[Entry]


def read(paths: Sequence[Path]) -> list[Document]:
    """Read every document. Raises: Mistake with a line for everything that is wrong."""
    mistakes: list[Mistake] = []
    found = [read_document(part, mistakes) for part in documents(paths)]
    if mistakes:
        raise Mistake("\n".join(map(str, mistakes)))
    return found


def read_document(part: Part, mistakes: list[Mistake]) -> Document:
    """Read one; what is wrong is added to ``mistakes``."""
    kinds = {kind.name: kind for kind in KINDS}
    account: str | None = None
    entries: list[Entry] = []
    try:
        items = part.items("a mapping with monitors, say")
    except Mistake as mistake:
        mistakes.append(mistake)
        items = {}
    for name, (key, value) in items.items():
        try:
            if name in kinds:
                entries += read_kind(kinds[name], value, mistakes)
            elif name == "account":
                account = Text("an account's name").read(value)
            elif not name.startswith(OWN):
                raise key.mistake(unknown(name, {"account": None, **kinds}, "document"))
        except Mistake as mistake:
            mistakes.append(mistake)
    return Document(account, part, entries)


def read_kind(kind: Kind, part: Part, mistakes: list[Mistake]) -> list[Entry]:
    """Read the things of one kind."""
    entries = []
    if part.is_null:
        return []
    for key, value in part.items(f"a mapping of {kind.name}, each under a key").values():
        try:
            name = KEY.read(key)
            wanted = kind.read(name, kind.record.read(value))
            entries.append(Entry(kind, name, wanted, key))
        except Mistake as mistake:
            mistakes.append(mistake)
    return entries
