"""Maintenance in configuration files: windows, and rules that make windows again and again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from collector import db
from collector.config.kind import KEY, Document, Present, Scope, key_of, monitor_id, placed
from collector.config.shape import Field, LocalTime, Read, Record, Span, Text
from collector.errors import CollectorError
from collector.maintenance import length
from collector.operator.duration import written
from collector.recurrence import check_rule, zone


def check_zone(name: str) -> None:
    """Check a time zone."""
    zone(name)


def check_recurrence(rule: str) -> None:
    """Check a rule."""
    check_rule(rule)


USUAL_ZONE = "UTC"
COMMON = (
    Field("title", Text(), "As shown to people."),
    Field("monitor", KEY, "The key of the monitor it is about; every one of the account, unless"
          " given."),
    Field("from", LocalTime(), "When it begins, by the clocks of time_zone.", True),
    Field("for", Span(), "How long it lasts, 1 minute to 7 days.", True),
    Field("time_zone", Text(check=check_zone), "Whose clocks; UTC, unless given."),
)  # fmt: skip
RULE = Field("rule", Text(check=check_recurrence), "How it comes again, RFC 5545.", True)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A window or a rule in a file. ``from_at``: naive, by the zone's clocks."""

    from_at: datetime
    lasts: timedelta
    time_zone: str
    rule: str | None
    title: str
    monitor: str | None
    read: Read


def wanted(found: Read) -> Wanted:
    """Make a window or a rule of a record. Raises: Mistake."""
    values = found.values
    try:
        lasts = length(values["for"])
    except CollectorError as error:
        raise found.parts["for"].mistake(str(error)) from error
    rule = values.get("rule")
    return Wanted(
        from_at=values["from"],
        lasts=lasts,
        time_zone=values.get("time_zone", USUAL_ZONE),
        rule=None if rule is None else check_rule(rule),
        title=values.get("title", ""),
        monitor=values.get("monitor"),
        read=found,
    )


def document(
    title: str,
    monitor: str | None,
    from_at: datetime,
    lasts: timedelta,
    time_zone: str = USUAL_ZONE,
    rule: str | None = None,
) -> Document:
    """Write one as a file has it, without what is as usual."""
    everything = {
        "title": title or None,
        "monitor": monitor,
        "from": f"{from_at:%Y-%m-%d %H:%M:%S}".removesuffix(":00"),
        "for": written(lasts.total_seconds()),
        "time_zone": None if time_zone == USUAL_ZONE else time_zone,
        "rule": rule,
    }
    return {name: value for name, value in everything.items() if value is not None}


class Windows:
    """Maintenance once. One that is over stays as it is, whatever files say no more of it."""

    name = "maintenance"
    one = "maintenance"
    record = Record("maintenance", COMMON)
    is_owned = True

    def read(self, key: str, found: Read) -> Wanted:
        return wanted(found)

    def present(self, scope: Scope) -> dict[str, Present]:
        rows = scope.rows("config", "windows", kind=self.one)
        return scope.keyed(self.one, rows, [name_of(row["title"], row["from_at"]) for row in rows])

    def document(self, scope: Scope, present: Present) -> Document:
        row = present.row
        begins_at, ends_at = row["from_at"].astimezone(UTC), row["to_at"].astimezone(UTC)
        monitor = key_of(scope, row["monitor_id"])
        return document(row["title"], monitor, begins_at, ends_at - begins_at)

    def create(self, scope: Scope, key: str, wanted: Wanted) -> tuple[int, Document]:
        values = window(scope, wanted)
        row = scope.connection.execute(db.queries("maintenance")["add"], values).fetchone()
        assert row is not None  # noqa: S101 - INSERT ... RETURNING
        return row["id"], window_document(wanted)

    def update(
        self, scope: Scope, present: Present, wanted: Wanted
    ) -> tuple[int, Document, Document]:
        before, after = self.document(scope, present), window_document(wanted)
        if before != after:
            scope.connection.execute(
                db.queries("config")["update_window"], {"id": present.id, **window(scope, wanted)}
            )
        return present.id, before, after

    def remove(self, scope: Scope, present: Present) -> None:
        if present.row["to_at"] > datetime.now(UTC):
            scope.connection.execute(db.queries("maintenance")["end"], {"id": present.id})


def window(scope: Scope, wanted: Wanted) -> dict[str, Any]:
    """Return the columns of vantage.maintenance."""
    begins_at = utc(wanted)
    return {
        "account_id": scope.account_id,
        "monitor_id": monitor_id(scope, wanted.monitor, wanted.read),
        "from_at": begins_at,
        "to_at": begins_at + wanted.lasts,
        "title": wanted.title,
    }


def window_document(wanted: Wanted) -> Document:
    """Write a window in UTC, as the database has it."""
    return document(wanted.title, wanted.monitor, utc(wanted), wanted.lasts)


def utc(wanted: Wanted) -> datetime:
    """Return when a window begins."""
    return wanted.from_at.replace(tzinfo=zone(wanted.time_zone)).astimezone(UTC)


class Rules:
    """Maintenance again and again. Windows that began stay when their rule changes or goes."""

    name = "maintenance_rules"
    one = "maintenance rule"
    record = Record("maintenance rule", (*COMMON, RULE))
    is_owned = True

    def read(self, key: str, found: Read) -> Wanted:
        return wanted(found)

    def present(self, scope: Scope) -> dict[str, Present]:
        rows = scope.rows("config", "rules")
        names = [row["title"] or row["rule"] for row in rows]
        return scope.keyed(self.one, rows, names)

    def document(self, scope: Scope, present: Present) -> Document:
        return rule_document(present.row, key_of(scope, present.row["monitor_id"]))

    def create(self, scope: Scope, key: str, wanted: Wanted) -> tuple[int, Document]:
        values = rule(scope, wanted)
        with placed(wanted.read):
            try:
                row = scope.connection.execute(
                    db.queries("maintenance")["add_rule"], values
                ).fetchone()
            except psycopg.errors.CheckViolation as error:
                raise CollectorError(
                    f"{wanted.rule!r} cannot be followed: it may hold FREQ, INTERVAL, COUNT, UNTIL"
                    " (in UTC), BYDAY, BYMONTHDAY, BYMONTH, BYSETPOS and WKST.",
                    field="rule",
                ) from error
        assert row is not None  # noqa: S101 - INSERT ... RETURNING
        return row["id"], rule_document(values, wanted.monitor)

    def update(
        self, scope: Scope, present: Present, wanted: Wanted
    ) -> tuple[int, Document, Document]:
        before = self.document(scope, present)
        after = rule_document(rule(scope, wanted), wanted.monitor)
        if before == after:
            return present.id, before, after
        # Another rule, so that the windows to come are made anew.
        self.remove(scope, present)
        number, _ = self.create(scope, present.key, wanted)
        return number, before, after

    def remove(self, scope: Scope, present: Present) -> None:
        scope.connection.execute(db.queries("maintenance")["remove_rule"], {"id": present.id})


def rule(scope: Scope, wanted: Wanted) -> dict[str, Any]:
    """Return the columns of vantage.maintenance_rules."""
    return {
        "account_id": scope.account_id,
        "monitor_id": monitor_id(scope, wanted.monitor, wanted.read),
        "first_at": wanted.from_at,
        "time_zone": wanted.time_zone,
        "duration_s": int(wanted.lasts.total_seconds()),
        "rule": wanted.rule,
        "title": wanted.title,
    }


def rule_document(row: Mapping[str, Any], monitor: str | None) -> Document:
    """Write the columns of vantage.maintenance_rules."""
    lasts = timedelta(seconds=row["duration_s"])
    return document(row["title"], monitor, row["first_at"], lasts, row["time_zone"], row["rule"])


def name_of(title: str, from_at: datetime) -> str:
    """Return what the key of a window is made of, where it has none."""
    return title or f"{from_at.astimezone(UTC):%Y-%m-%d}"
