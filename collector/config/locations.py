"""Locations in configuration files. They belong to no account, and nothing removes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from collector import db
from collector.config.kind import Document, Present, Scope, placed
from collector.config.shape import Field, Number, Read, Record, Text, Whole
from collector.operator.location import add_location

FIELDS = (
    Field("title", Text(), "As shown to people: Frankfurt; its name, unless given."),
    Field("region", Text(), "Groups locations: Europe."),
    Field("country", Text("a country's two letters, such as DE", pattern="[A-Za-z]{2}"),
          "ISO 3166-1 alpha-2."),
    Field("latitude", Number(-90, 90), "Degrees north."),
    Field("longitude", Number(-180, 180), "Degrees east."),
    Field("asn", Whole(1, 2**32 - 1), "Autonomous system that packets leave from."),
)  # fmt: skip
# The database keeps seven digits; this is 11 m.
DECIMALS = 4


@dataclass(frozen=True, slots=True)
class Wanted:
    """A location in a file, as a document."""

    document: Document
    read: Read


class Locations:
    """Known by their names."""

    name = "locations"
    one = "location"
    record = Record("location", FIELDS)
    is_owned = False

    def read(self, key: str, found: Read) -> Wanted:
        if ("latitude" in found.values) != ("longitude" in found.values):
            raise found.part.mistake("give both latitude and longitude, or neither.")
        if "country" in found.values:
            found = Read(
                {**found.values, "country": found.values["country"].upper()},
                found.part,
                found.parts,
            )
        return Wanted(document(key, found.values), found)

    def present(self, scope: Scope) -> dict[str, Present]:
        rows = scope.connection.execute(db.queries("operator")["locations"]).fetchall()
        return {row["name"]: Present(row["name"], 0, row, True) for row in rows}

    def document(self, scope: Scope, present: Present) -> Document:
        return document(present.key, present.row)

    def create(self, scope: Scope, key: str, wanted: Wanted) -> tuple[int, Document]:
        with placed(wanted.read):
            add_location(scope.connection, name=key, **columns(key, wanted.document))
        return 0, wanted.document

    def update(
        self, scope: Scope, present: Present, wanted: Wanted
    ) -> tuple[int, Document, Document]:
        before = document(present.key, present.row)
        if before != wanted.document:
            scope.connection.execute(
                db.queries("config")["update_location"],
                {"name": present.key, **columns(present.key, wanted.document)},
            )
        return present.id, before, wanted.document

    def remove(self, scope: Scope, present: Present) -> None:
        raise NotImplementedError("no location is ever removed")


def document(key: str, values: Any) -> Document:
    """Write a location as a file has it, without what is as usual."""
    found = {each.name: values.get(each.name) for each in FIELDS}
    for name in ("latitude", "longitude"):
        if found[name] is not None:
            found[name] = round(found[name], DECIMALS)
    usual = {"title": key}
    return {name: each for name, each in found.items() if each not in (None, usual.get(name))}


def columns(key: str, document: Document) -> dict[str, Any]:
    """Return the columns of vantage.locations."""
    return {**{each.name: None for each in FIELDS}, "title": key, **document}
