"""Channels in configuration files: where people, or programs, are told.

An e-mail address may stand in a file; what holds a key, the URL of a webhook or a service, may not.
The operators' channels, which belong to no account, are not among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg

from collector import db, sealing
from collector.config.hidden import Hidden
from collector.config.kind import KEY, Document, Present, Scope, keys_of, monitor_ids, placed
from collector.config.maintenance import USUAL_ZONE, check_zone
from collector.config.shape import (
    STORED,
    Choice,
    Field,
    Flag,
    Listing,
    Long,
    Read,
    Record,
    Schema,
    Secret,
    Span,
    Stored,
    Text,
)
from collector.config.source import Part
from collector.errors import CollectorError
from collector.operator.duration import written
from collector.telling import quiet
from collector.telling.destination import EMAIL, Destination

SIGNING_SECRET_MIN = 16


def check_signing_secret(text: str) -> None:
    """Check what webhooks are to be signed with."""
    if len(text) < SIGNING_SECRET_MIN:
        raise CollectorError(
            f"a signing secret has at least {SIGNING_SECRET_MIN} characters; make one with: "
            "openssl rand -hex 32"
        )


def check_address(text: str) -> None:
    """Check where a channel leads."""
    Destination.of(text)


@dataclass(frozen=True, slots=True)
class Address(Secret):
    """An e-mail address, or where a secret one stands."""

    check: Callable[[str], None] = check_address

    def read(self, part: Part) -> str | Stored:
        if part.is_mapping or part.is_null or (text := part.scalar("an address")) == "stored":
            return Secret.read(self, part)
        if "://" in text:
            # Never what stands there: it may hold a key.
            raise part.mistake(
                "the URL of a webhook or a service is a secret, and not written into the file; "
                "expected {env: NAME}, {file: PATH}, or stored where it is set already."
            )
        return Text("an address", check=self.check).read(part)

    def schema(self) -> Schema:
        mail = {"type": "string", "pattern": EMAIL.pattern}
        return {"anyOf": [mail, *Secret.schema(self)["anyOf"]]}


FIELDS = (
    Field("address", Address(),
          "An e-mail address; secret: https:// of a webhook, or the URL of a service.",
          is_required=True),
    Field("signing_secret", Secret(check_signing_secret),
          "Secret: what a webhook's requests are signed with."),
    Field("name", Text("a name of 1 to 100 characters", pattern=".{1,100}"),
          "As shown to people; its key, unless given."),
    Field("monitors", Listing(KEY, "a list of the keys of monitors"),
          "Only their incidents; all, unless given."),
    Field("least_severity", Choice(("degraded", "down")),
          "Less severe incidents are not told; degraded, unless given."),
    Field("after", Span(), "Once an incident has lasted this long and nobody has acknowledged it;"
          " at once, unless given."),
    Field("remind", Span(), "Told again this often; never, unless given."),
    Field("spacing", Span(), "Between two messages; 60s unless given."),
    Field("quiet", Text("quiet hours, such as 22:00-07:00", pattern=quiet.QUIET),
          "Nothing is told then; told always, unless given."),
    Field("time_zone", Text(check=check_zone),
          "Whose clocks quiet and the times in messages are by; UTC, unless given."),
    Field("muted", Flag(), "It is told nothing."),
    Field("subject", Text(), "In your own words, with {fields}; Vantage's, unless given."),
    Field("text", Long(), "In your own words, with {fields}; Vantage's, unless given."),
)  # fmt: skip
# Spans, by their names in files: their columns, and what is usual.
SPANS = {"after": ("delay_s", 0), "remind": ("remind_s", None), "spacing": ("spacing_s", 60)}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A channel in a file. ``columns``: those of vantage.channels that files say.

    ``destination`` None: the one that is stored. ``signing_secret`` None: not said.
    """

    columns: dict[str, Any]
    destination: Destination | None
    signing_secret: str | Stored | None
    read: Read

    @property
    def monitors(self) -> list[str]:
        """The keys of the only monitors it is told of; empty: of all."""
        return sorted(set(self.read.values.get("monitors", ())))


class Channels:
    """Belong to an account. What is not in any file is matched by its name."""

    name = "channels"
    one = "channel"
    record = Record("channel", FIELDS)
    is_owned = True

    def read(self, key: str, found: Read) -> Wanted:
        values = found.values
        columns: dict[str, Any] = {}
        for name, (column, usual) in SPANS.items():
            span = values.get(name, usual)
            if span is not None and span != int(span):
                raise found.parts[name].mistake("whole seconds can be.")
            columns[column] = None if span is None else int(span)
        quiet_from, quiet_to = quiet.quiet_hours(values.get("quiet"))
        columns |= {
            "name": values.get("name", key),
            "least_severity": values.get("least_severity", "degraded"),
            "quiet_from": quiet_from,
            "quiet_to": quiet_to,
            "time_zone": values.get("time_zone", USUAL_ZONE),
            "is_muted": values.get("muted", False),
            "own_subject": values.get("subject"),
            "own_text": values.get("text"),
        }
        if values.get("monitors") == []:
            raise found.parts["monitors"].mistake("name one at least, or leave it out for all.")
        address = values["address"]
        destination = None if address is STORED else Destination.of(address)
        return Wanted(columns, destination, values.get("signing_secret"), found)

    def present(self, scope: Scope) -> dict[str, Present]:
        rows = scope.rows("config", "channels")
        return scope.keyed(self.one, rows, [row["name"] for row in rows])

    def document(self, scope: Scope, present: Present) -> Document:
        row = present.row
        address = row["hint"] if row["kind"] == "mail" else Hidden(None)
        monitors = keys_of(scope, row["monitor_ids"] or ())
        return document(present.key, {"address": address}, monitors, row)

    def create(self, scope: Scope, key: str, wanted: Wanted) -> tuple[int, Document]:
        destination = self.destination(wanted, None)
        values = {
            **wanted.columns,
            **self.sealed(scope, destination),
            "account_id": scope.account_id,
            "monitor_ids": self.monitor_ids(scope, wanted),
        }
        number = self.run(scope, db.queries("channels")["add"], wanted, values)
        return number, document(key, shown(wanted, destination), wanted.monitors, wanted.columns)

    def update(
        self, scope: Scope, present: Present, wanted: Wanted
    ) -> tuple[int, Document, Document]:
        row = present.row
        before, monitors = self.document(scope, present), self.monitor_ids(scope, wanted)
        told = dict.fromkeys(("kind", "hint", "key_id", "sealed"))
        places: Document = {"address": before["address"]}
        if wanted.destination is not None or wanted.signing_secret is not None:
            subject = sealing.channel(scope.account_id)
            stored = Destination.decode(
                row["kind"],
                sealing.open_(scope.keyring, subject, row["key_id"], bytes(row["sealed"])),
            )
            destination = self.destination(wanted, stored)
            before |= shown(wanted, stored)
            places = shown(wanted, destination)
            if destination != stored:
                told = self.sealed(scope, destination)
        after = document(present.key, places, wanted.monitors, wanted.columns)
        if before != after:
            values = {**wanted.columns, **told, "monitor_ids": monitors, "id": present.id}
            self.run(scope, db.queries("config")["update_channel"], wanted, values)
        return present.id, before, after

    def remove(self, scope: Scope, present: Present) -> None:
        scope.connection.execute(db.queries("channels")["remove"], {"id": present.id})

    def destination(self, wanted: Wanted, stored: Destination | None) -> Destination:
        """Return where it is told; ``stored``: where it was. Raises: Mistake."""
        found, secret = wanted.destination or stored, wanted.signing_secret
        if found is None:
            raise wanted.read.parts["address"].mistake(
                "no address is stored yet; say with env or file what it is."
            )
        if found.kind != "webhook":
            if secret is not None:
                raise wanted.read.parts["signing_secret"].mistake("only webhooks are signed.")
            return found
        if not isinstance(secret, str):
            if stored is None or not stored.secret:
                raise wanted.read.part.mistake(
                    "a webhook's requests are signed; say with signing_secret: {env: NAME} by what."
                )
            secret = stored.secret
        return Destination("webhook", found.address, secret)

    def sealed(self, scope: Scope, destination: Destination) -> dict[str, Any]:
        """Return the columns that say where it is told. A plan makes no key, so seals nothing."""
        key_id, sealed = "0" * 16, b""
        if not scope.is_plan:
            sealing.publish(scope.connection, scope.keyring)
            subject = sealing.channel(scope.account_id)
            key_id, sealed = sealing.seal(scope.connection, subject, destination.encode())
        return {
            "kind": destination.kind,
            "hint": destination.hint,
            "key_id": key_id,
            "sealed": sealed,
        }

    def monitor_ids(self, scope: Scope, wanted: Wanted) -> list[int] | None:
        """Return the only monitors it is told of. Raises: Mistake."""
        if not wanted.monitors:
            return None
        return sorted(monitor_ids(scope, wanted.monitors, wanted.read.parts["monitors"]))

    def run(
        self, scope: Scope, statement: LiteralString, wanted: Wanted, values: Mapping[str, Any]
    ) -> int:
        """Run a statement that writes one, and its words. Raises: Mistake."""
        with placed(wanted.read):
            try:
                row = scope.connection.execute(statement, values).fetchone()
            except psycopg.errors.UniqueViolation as error:
                raise CollectorError(
                    f"there is another channel named {values['name']!r}; see under which key: "
                    "vantage export",
                    field="name",
                ) from error
            except psycopg.errors.CheckViolation as error:
                raise CollectorError(
                    "after can be up to 24h, remind 5m to 168h, spacing up to 1h."
                ) from error
            assert row is not None  # noqa: S101 - RETURNING
            said = {"id": row["id"], "subject": values["own_subject"], "text": values["own_text"]}
            scope.connection.execute(db.queries("channels")["word"], said)
            scope.connection.execute(
                db.queries("config")["mute_channel"],
                {"id": row["id"], "is_muted": values["is_muted"]},
            )
        number: int = row["id"]
        return number


def shown(wanted: Wanted, destination: Destination) -> Document:
    """Write where it is told, so that it can be compared; a secret where the file says it."""
    is_mail = destination.kind == "mail"
    found: Document = {"address": destination.address if is_mail else Hidden(destination.address)}
    if isinstance(wanted.signing_secret, str):
        found["signing_secret"] = Hidden(destination.secret)
    return found


def document(
    key: str, places: Document, monitors: list[str], columns: Mapping[str, Any]
) -> Document:
    """Write a channel as a file has it, without what is as usual."""
    everything = {
        "name": (columns["name"], key),
        "monitors": (monitors, []),
        "least_severity": (columns["least_severity"], "degraded"),
        **{
            name: (None if columns[column] is None else written(columns[column]),
                   None if usual is None else written(usual))
            for name, (column, usual) in SPANS.items()
        },
        "quiet": (quiet.written(columns["quiet_from"], columns["quiet_to"]), None),
        "time_zone": (columns["time_zone"], USUAL_ZONE),
        "muted": (columns["is_muted"], False),
        "subject": (columns["own_subject"], None),
        "text": (columns["own_text"], None),
    }  # fmt: skip
    return {**places, **{name: now for name, (now, usual) in everything.items() if now != usual}}
