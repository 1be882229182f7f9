"""What there is, as files that vantage apply takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from collector import db
from collector.config.hidden import Hidden
from collector.config.kind import Scope
from collector.config.kinds import KINDS
from collector.errors import CollectorError
from collector.keyring import Keyring

WIDTH = 100
HEADER = "# Made by vantage export. What reads “stored” is a secret, kept as it is.\n"


class Line(dict[str, Any]):
    """A mapping that is written on one line."""


class Dumper(yaml.SafeDumper):
    """Texts of several lines as such, and what is short on one line."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out."""
        return True


def write_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    """Write a text, in a block where it has several lines."""
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def write_line(dumper: yaml.SafeDumper, mapping: Line) -> yaml.Node:
    """Write a mapping on one line."""
    return dumper.represent_mapping("tag:yaml.org,2002:map", dict(mapping), flow_style=True)


def write_list(dumper: yaml.SafeDumper, values: list[Any]) -> yaml.Node:
    """Write a list, on one line unless it holds mappings."""
    is_short = not any(isinstance(each, dict) for each in values)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=is_short)


Dumper.add_representer(str, write_text)
Dumper.add_representer(Line, write_line)
Dumper.add_representer(list, write_list)


def written(document: Mapping[str, Any]) -> str:
    """Write one document, secrets as ``stored``."""
    text: str = yaml.dump(
        plain(document), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=WIDTH
    )
    return text


def plain(value: Any, *, in_list: bool = False) -> Any:
    """Return what YAML can write."""
    if isinstance(value, Hidden):
        return "stored"
    if isinstance(value, Mapping):
        found = {key: plain(each) for key, each in value.items()}
        return Line(found) if in_list else found
    if isinstance(value, list | tuple):
        return [plain(each, in_list=True) for each in value]
    return value


def export(connection: db.Connection, accounts: Sequence[str], keyring: Keyring) -> str:
    """Write the things of the named accounts, or of all: a document for each account.

    Raises: CollectorError for an account that there is not.
    """
    rows = connection.execute(db.queries("operator")["accounts"]).fetchall()
    for name in accounts:
        if name not in (row["name"] for row in rows):
            known = ", ".join(row["name"] for row in rows) or "none yet"
            raise CollectorError(f"There is no account {name!r}. Accounts: {known}.")

    def scope(owner: int) -> Scope:
        return Scope(connection, owner, keyring, is_plan=True)

    documents = [
        {"account": row["name"], **things(scope(row["id"]), is_owned=True)}
        for row in rows
        if not accounts or row["name"] in accounts
    ]
    shared = things(scope(0), is_owned=False)
    if len(rows) == 1 and documents:
        del documents[0]["account"]
    if documents:
        documents[0] = {**shared, **documents[0]}
    else:
        documents = [shared]
    return HEADER + "---\n".join(map(written, documents))


def things(scope: Scope, *, is_owned: bool) -> dict[str, Any]:
    """Return every thing of the kinds that belong to an account, or of the others."""
    found: dict[str, Any] = {}
    for kind in KINDS:
        if kind.is_owned == is_owned:
            present = kind.present(scope)
            scope.ids[kind.one] = {key: each.id for key, each in present.items()}
            documents = {key: kind.document(scope, each) for key, each in present.items()}
            found |= {kind.name: documents} if documents else {}
    return found
