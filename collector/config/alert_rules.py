"""Alert rules in configuration files: when a monitor is down, and an incident opens.

The installation's own rule, which belongs to no account, is not among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from collector import db
from collector.config.kind import KEY, Document, Present, Scope, key_of, monitor_id, placed
from collector.config.shape import Choice, Field, Flag, Number, Read, Record, Span, Whole
from collector.errors import CollectorError
from collector.operator.duration import written

FIELDS = (
    Field("monitor", KEY, "The key of the monitor it is for; every one of the account that has none"
          " of its own, unless given."),
    Field("needed_locations", Whole(1, 100),
          "How many locations must find it down; 2, unless given."),
    Field("needed_percent", Whole(1, 100), "How many per cent of those that have a vote, instead."),
    Field("consecutive", Whole(1, 10), "How many results in a row; 3 unless given."),
    Field("distinct_by", Choice(("location", "country", "network")),
          "What is counted; location unless given."),
    Field("closes_after", Span(), "For how long it must be well; 2m unless given."),
    Field("opens_when_degraded", Flag(), "An incident opens for degraded, too."),
    Field("slower_factor", Number(1.5, 100),
          "One opens when it takes so many times as long as usual; never, unless given."),
    Field("slower_phase", Choice(("total", "dns", "connect", "tls", "send", "wait", "receive")),
          "What is compared with what is usual; total unless given."),
    Field("slower_for", Span(), "For how long, 5m to 1h; 15m unless given."),
    Field("slower_locations", Whole(1, 100), "From how many locations; 2 unless given."),
)  # fmt: skip
CLOSES_AFTER_MAX_S = 86_400
SLOWER_FOR_S = (300, 3_600)
USUAL = {
    "needed_locations": 2,
    "needed_percent": None,
    "consecutive": 3,
    "distinct_by": "location",
    "closes_after_s": 120,
    "opens_when_degraded": False,
    "slower_factor": None,
    "slower_phase": "total",
    "slower_for_s": 900,
    "slower_locations": 2,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A rule in a file. ``columns``: those of vantage.alert_rules but for whose it is."""

    columns: dict[str, Any]
    monitor: str | None
    read: Read


class AlertRules:
    """At most one for each monitor, and one for all others of an account."""

    name = "alert_rules"
    one = "alert rule"
    record = Record("alert rule", FIELDS)
    is_owned = True

    def read(self, key: str, found: Read) -> Wanted:
        values = dict(found.values)
        monitor = values.pop("monitor", None)
        closes_after_s = values.pop("closes_after", USUAL["closes_after_s"])
        if closes_after_s != int(closes_after_s) or closes_after_s > CLOSES_AFTER_MAX_S:
            raise found.parts["closes_after"].mistake("up to 24 h in whole seconds can be.")
        slower_for_s = values.pop("slower_for", USUAL["slower_for_s"])
        least_s, most_s = SLOWER_FOR_S
        if slower_for_s != int(slower_for_s) or not least_s <= slower_for_s <= most_s:
            raise found.parts["slower_for"].mistake("5m to 1h in whole seconds can be.")
        if "slower_factor" in values:
            values["slower_factor"] = round(values["slower_factor"], 1)
        if "needed_percent" in values and "needed_locations" in values:
            raise found.parts["needed_percent"].mistake(
                "give needed_percent or needed_locations, not both."
            )
        if "needed_percent" in values:
            values["needed_locations"] = None
        spans = {"closes_after_s": int(closes_after_s), "slower_for_s": int(slower_for_s)}
        return Wanted({**USUAL, **values, **spans}, monitor, found)

    def present(self, scope: Scope) -> dict[str, Present]:
        rows = scope.rows("config", "alert_rules")
        names = [key_of(scope, row["monitor_id"]) or "account" for row in rows]
        return scope.keyed(self.one, rows, names)

    def document(self, scope: Scope, present: Present) -> Document:
        return document(present.row, key_of(scope, present.row["monitor_id"]))

    def create(self, scope: Scope, key: str, wanted: Wanted) -> tuple[int, Document]:
        row = self.run(scope, "add_alert_rule", wanted, account_id=scope.account_id)
        return row["id"], document(wanted.columns, wanted.monitor)

    def update(
        self, scope: Scope, present: Present, wanted: Wanted
    ) -> tuple[int, Document, Document]:
        before = self.document(scope, present)
        after = document(wanted.columns, wanted.monitor)
        if before != after:
            self.run(scope, "update_alert_rule", wanted, id=present.id)
        return present.id, before, after

    def remove(self, scope: Scope, present: Present) -> None:
        scope.connection.execute(db.queries("config")["remove_alert_rule"], {"id": present.id})

    def run(self, scope: Scope, statement: str, wanted: Wanted, **whose: int) -> Mapping[str, Any]:
        """Run a statement that writes one. Raises: Mistake."""
        found = wanted.read
        values = {
            **wanted.columns,
            **whose,
            "monitor_id": monitor_id(scope, wanted.monitor, found),
        }
        with placed(found):
            try:
                row = scope.connection.execute(db.queries("config")[statement], values).fetchone()
            except psycopg.errors.UniqueViolation as error:
                raise CollectorError(
                    f"there is another rule for {wanted.monitor or 'the account'}; see under which"
                    " key: vantage export",
                    field="monitor",
                ) from error
        assert row is not None  # noqa: S101 - RETURNING
        return row


def document(columns: Mapping[str, Any], monitor: str | None) -> Document:
    """Write a rule as a file has it, without what is as usual."""
    found: Document = {} if monitor is None else {"monitor": monitor}
    for name, usual in USUAL.items():
        value = columns[name]
        if value is None or value == usual:
            continue
        if name.endswith("_s"):
            found[name.removesuffix("_s")] = written(value)
        elif name == "slower_factor":
            found[name] = float(value)
        else:
            found[name] = value
    return found
