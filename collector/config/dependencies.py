"""Dependencies in configuration files: what a monitor cannot work without."""

from __future__ import annotations

from dataclasses import dataclass

from collector import db
from collector.config.kind import KEY, Document, Present, Scope, keys_of, monitor_ids
from collector.config.shape import Field, Listing, Read, Record

FIELDS = (
    Field("monitor", KEY, "The key of the monitor that depends on others.", is_required=True),
    Field("needs", Listing(KEY, "a list of the keys of monitors"),
          "While one of these has an open incident, its own is silent.", is_required=True),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one monitor depends on."""

    monitor: str
    parents: list[str]
    read: Read


class Dependencies:
    """One for each monitor that depends on others, known by that monitor."""

    name = "dependencies"
    one = "dependency"
    record = Record("dependency", FIELDS)
    is_owned = True

    def read(self, key: str, found: Read) -> Wanted:
        return Wanted(found.values["monitor"], sorted(set(found.values["needs"])), found)

    def present(self, scope: Scope) -> dict[str, Present]:
        rows = scope.rows("config", "dependencies")
        return scope.keyed(self.one, rows, [keys_of(scope, [row["id"]])[0] for row in rows])

    def document(self, scope: Scope, present: Present) -> Document:
        [monitor] = keys_of(scope, [present.id])
        return {"monitor": monitor, "needs": keys_of(scope, present.row["parent_ids"])}

    def create(self, scope: Scope, key: str, wanted: Wanted) -> tuple[int, Document]:
        [monitor_id] = monitor_ids(scope, [wanted.monitor], wanted.read.parts["monitor"])
        if any(present.id == monitor_id for present in self.present(scope).values()):
            raise wanted.read.parts["monitor"].mistake(
                f"{wanted.monitor!r} has another one; see under which key: vantage export"
            )
        return self.run(scope, monitor_id, wanted)

    def update(
        self, scope: Scope, present: Present, wanted: Wanted
    ) -> tuple[int, Document, Document]:
        before = self.document(scope, present)
        if before["monitor"] != wanted.monitor:
            self.remove(scope, present)
            number, after = self.create(scope, present.key, wanted)
            return number, before, after
        if before["needs"] == wanted.parents:
            return present.id, before, before
        number, after = self.run(scope, present.id, wanted)
        return number, before, after

    def remove(self, scope: Scope, present: Present) -> None:
        scope.connection.execute(db.queries("config")["remove_dependencies"], {"id": present.id})

    def run(self, scope: Scope, monitor_id: int, wanted: Wanted) -> tuple[int, Document]:
        """Make it depend on these monitors and no others. Raises: Mistake."""
        part = wanted.read.parts["needs"]
        values = {"id": monitor_id, "parent_ids": monitor_ids(scope, wanted.parents, part)}
        statements = db.queries("config")
        scope.connection.execute(statements["remove_dependencies"], values)
        if scope.connection.execute(statements["depends_on_itself"], values).fetchall():
            raise part.mistake(
                f"{wanted.monitor!r} would depend on itself, through others perhaps."
            )
        scope.connection.execute(statements["add_dependencies"], values)
        return monitor_id, {"monitor": wanted.monitor, "needs": wanted.parents}
