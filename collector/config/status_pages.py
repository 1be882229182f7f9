"""Status pages in configuration files: what of the account anybody may see."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from collector import db
from collector.config.kind import KEY, Document, Present, Scope, keys_of, monitor_ids, placed
from collector.config.shape import Field, Listing, Read, Record, Text
from collector.errors import CollectorError

ADDRESS_PATTERN = "[a-z0-9][a-z0-9-]{1,62}"
ADDRESS = Text("an address of 2 to 63 small letters, digits and hyphens", pattern=ADDRESS_PATTERN)
FIELDS = (
    Field("title", Text("a title of 1 to 100 characters", pattern=".{1,100}"), "Its heading.",
          is_required=True),
    Field("address", ADDRESS, "It is shown at /status/ADDRESS; its key, unless given."),
    Field("monitors", Listing(KEY, "a list of the keys of monitors"), "What it shows.",
          is_required=True),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """A status page in a file."""

    address: str
    title: str
    monitors: list[str]
    read: Read


class StatusPages:
    """Known by their addresses, of which there is one each in an installation."""

    name = "status_pages"
    one = "status page"
    record = Record("status page", FIELDS)
    is_owned = True

    def read(self, key: str, found: Read) -> Wanted:
        values = found.values
        if "address" not in values and not re.fullmatch(ADDRESS_PATTERN, key):
            raise found.part.mistake(f"{key!r} can be no address; give it one: address: my-page")
        monitors = sorted(set(values["monitors"]))
        return Wanted(values.get("address", key), values["title"], monitors, found)

    def present(self, scope: Scope) -> dict[str, Present]:
        rows = scope.rows("config", "status_pages")
        return scope.keyed(self.one, rows, [row["slug"] for row in rows])

    def document(self, scope: Scope, present: Present) -> Document:
        row = present.row
        return document(present.key, row["slug"], row["title"], keys_of(scope, row["monitor_ids"]))

    def create(self, scope: Scope, key: str, wanted: Wanted) -> tuple[int, Document]:
        row = self.run(scope, "add_status_page", wanted, account_id=scope.account_id)
        return row["id"], document(key, wanted.address, wanted.title, wanted.monitors)

    def update(
        self, scope: Scope, present: Present, wanted: Wanted
    ) -> tuple[int, Document, Document]:
        before = self.document(scope, present)
        after = document(present.key, wanted.address, wanted.title, wanted.monitors)
        if before != after:
            self.run(scope, "update_status_page", wanted, id=present.id)
        return present.id, before, after

    def remove(self, scope: Scope, present: Present) -> None:
        scope.connection.execute(db.queries("config")["remove_status_page"], {"id": present.id})

    def run(self, scope: Scope, statement: str, wanted: Wanted, **whose: int) -> Mapping[str, Any]:
        """Run a statement that writes one, and what it shows. Raises: Mistake."""
        shown = monitor_ids(scope, wanted.monitors, wanted.read.parts["monitors"])
        values = {"slug": wanted.address, "title": wanted.title, **whose}
        with placed(wanted.read):
            try:
                row = scope.connection.execute(db.queries("config")[statement], values).fetchone()
            except psycopg.errors.UniqueViolation as error:
                raise CollectorError(
                    f"the address /status/{wanted.address} is taken; choose another",
                    field="address" if "address" in wanted.read.values else None,
                ) from error
        assert row is not None  # noqa: S101 - RETURNING
        scope.connection.execute(
            db.queries("config")["show_monitors"], {"id": row["id"], "monitor_ids": shown}
        )
        return row


def document(key: str, address: str, title: str, monitors: list[str]) -> Document:
    """Write a status page as a file has it, without what is as usual."""
    found: Document = {"title": title}
    if address != key:
        found["address"] = address
    return {**found, "monitors": monitors}
