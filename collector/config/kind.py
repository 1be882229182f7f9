"""What a kind of configured thing must do, such as monitors; adding a kind is adding a module."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

import psycopg

from collector import db
from collector.config.shape import Read, Record, Text
from collector.config.source import Mistake, Part
from collector.errors import CollectorError
from collector.keyring import Keyring
from collector.secret import Secrets, store_secrets

KEY_PATTERN = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
KEY = Text("a key of letters, digits, dots, dashes and underscores", pattern=KEY_PATTERN)

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Present:
    """A thing in the database. ``is_kept``: files have defined it before."""

    key: str
    id: int
    row: Mapping[str, Any]
    is_kept: bool


@dataclass(slots=True)
class Scope:
    """One account's things, in one transaction. ``ids``: by kind, then key; filled as they come.

    ``account_id`` 0: the things that belong to no account. ``is_plan``: it will be rolled back.
    """

    connection: db.Connection
    account_id: int
    keyring: Keyring
    is_plan: bool
    ids: dict[str, dict[str, int]] = field(default_factory=dict)

    def rows(self, topic: str, name: str, **values: Any) -> list[dict[str, Any]]:
        """Run a statement for the account."""
        account_id = None if values.get("id") else self.account_id
        return self.connection.execute(
            db.queries(topic)[name], {"account_id": account_id, **values}
        ).fetchall()

    def keyed(
        self, kind: str, rows: Sequence[Mapping[str, Any]], names: Sequence[str]
    ) -> dict[str, Present]:
        """Give every row its key: the one it is kept under, or else one made of its name."""
        kept = {row["object_id"]: row["key"] for row in self.rows("config", "applied", kind=kind)}
        taken = {kept[row["id"]] for row in rows if row["id"] in kept}
        found: dict[str, Present] = {}
        for row, name in zip(rows, names, strict=True):
            key = kept.get(row["id"]) or free(slug(name), taken)
            taken.add(key)
            found[key] = Present(key, row["id"], row, row["id"] in kept)
        return found

    def keep(self, kind: str, key: str, number: int) -> None:
        """Remember that files define this thing, under this key."""
        self.ids[kind][key] = number
        self.connection.execute(
            db.queries("config")["keep"],
            {"account_id": self.account_id, "kind": kind, "key": key, "object_id": number},
        )

    def forget(self, kind: str, key: str) -> None:
        """No file defines it any more."""
        self.connection.execute(
            db.queries("config")["forget"],
            {"account_id": self.account_id, "kind": kind, "key": key},
        )

    def store(self, monitor_id: int, secrets: Secrets) -> None:
        """Seal a monitor's secrets, unless this is a plan, which must not make a key."""
        if not self.is_plan:
            store_secrets(self.connection, monitor_id, secrets, self.keyring)


def monitor_id(scope: Scope, key: str | None, read: Read) -> int | None:
    """Return the id of the monitor that a field ``monitor`` names. Raises: Mistake."""
    if key is not None and key not in scope.ids["monitor"]:
        raise read.parts["monitor"].mistake(f"there is no monitor {key!r} in this account.")
    return None if key is None else scope.ids["monitor"][key]


def key_of(scope: Scope, monitor_id: int | None) -> str | None:
    """Return what files call a monitor."""
    return next((key for key, each in scope.ids["monitor"].items() if each == monitor_id), None)


def monitor_ids(scope: Scope, keys: Sequence[str], part: Part) -> list[int]:
    """Return the ids of the monitors that a list names. Raises: Mistake."""
    known = scope.ids["monitor"]
    for key in keys:
        if key not in known:
            raise part.mistake(f"there is no monitor {key!r} in this account.")
    return [known[key] for key in keys]


def keys_of(scope: Scope, monitor_ids: Sequence[int]) -> list[str]:
    """Return what files call these monitors, in order."""
    return sorted(key for key, each in scope.ids["monitor"].items() if each in monitor_ids)


def slug(name: str) -> str:
    """Make a key of a name."""
    return re.sub(r"[^a-z0-9._]+", "-", name.lower()).strip("-._")[:60].strip("-._") or "unnamed"


def free(key: str, taken: set[str]) -> str:
    """Return a key that is not taken."""
    if key not in taken:
        return key
    return next(each for number in count(2) if (each := f"{key}-{number}") not in taken)


@contextmanager
def placed(read: Read) -> Iterator[None]:
    """Say at the field concerned what is wrong inside."""
    try:
        yield
    except Mistake:
        raise
    except CollectorError as error:
        raise read.mistake(error) from error
    except psycopg.DatabaseError as error:
        # What the database refuses by its own rules says why.
        if not (error.sqlstate or "").startswith("VA"):
            raise
        raise read.part.mistake(f"{db.first_line(error)}.") from error


class Kind(Protocol):
    """``name``: the key in files; ``one``: one of them; ``is_owned``: an account has them, and
    they can be removed.
    """

    name: str
    one: str
    record: Record
    is_owned: bool

    def read(self, key: str, found: Read) -> Any:
        """Make of a record what the other methods take. Raises: Mistake."""

    def present(self, scope: Scope) -> dict[str, Present]:
        """Return what there is, by key."""

    def document(self, scope: Scope, present: Present) -> Document:
        """Write what there is as a file has it."""

    def create(self, scope: Scope, key: str, wanted: Any) -> tuple[int, Document]:
        """Make it; return its id and what was made."""

    def update(self, scope: Scope, present: Present, wanted: Any) -> tuple[int, Document, Document]:
        """Change what differs, if anything does; return its id, what it was and what it is."""

    def remove(self, scope: Scope, present: Present) -> None:
        """Take it away."""
