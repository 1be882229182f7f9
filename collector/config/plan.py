"""What applying changes, thing by thing and field by field. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collector.config.hidden import Hidden
from collector.config.kind import Document

SIGNS = {"create": "+", "update": "~", "delete": "-", "keep": "="}
TEXT_MAX = 60


@dataclass(frozen=True, slots=True)
class Change:
    """``action``: create, update, delete, or keep, where files take over what they do not change.

    ``account`` None: it belongs to none.
    """

    action: str
    kind: str
    key: str
    account: str | None
    before: Document
    after: Document

    @property
    def fields(self) -> dict[str, tuple[Any, Any]]:
        """What differs, by field, and by key within a mapping: what it was, what it is."""
        return dict(differences(self.before, self.after))


def differences(before: Document, after: Document) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yield each field that differs; None: it is not there."""
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, dict) or isinstance(new, dict):
            for key, pair in differences(old or {}, new or {}):
                yield f"{name}.{key}", pair
        else:
            yield name, (old, new)


def as_text(changes: Sequence[Change]) -> str:
    """Write changes for people; no secret is among them."""
    if not changes:
        return "Nothing to change."
    lines: list[str] = []
    for change in changes:
        whose = f" of {change.account}" if change.account else ""
        more = {"keep": ": as it is, kept by these files from now on", "delete": ""}
        lines.append(
            f"{SIGNS[change.action]} {change.kind} {change.key}{whose}"
            f"{more.get(change.action, ':' if change.fields else '')}"
        )
        if change.action in ("create", "update"):
            lines += lines_of(change.fields, is_new=change.action == "create")
    return "\n".join([*lines, summary(changes)])


def lines_of(fields: Mapping[str, tuple[Any, Any]], *, is_new: bool = False) -> Iterator[str]:
    """Yield a line for each field, with what it was unless it is new; of lists, what differs."""
    for name, (old, new) in fields.items():
        if isinstance(old, list) and isinstance(new, list):
            moved = [f"    {name}: - {shown(each)}" for each in old if each not in new]
            moved += [f"    {name}: + {shown(each)}" for each in new if each not in old]
            yield from moved or [f"    {name}: in another order"]
            continue
        was = "" if is_new else f"{shown(old)} -> "
        yield f"    {name}: {was}{shown(new)}"


def summary(changes: Sequence[Change]) -> str:
    """Count what is done."""
    number = {name: sum(each.action == name for each in changes) for name in SIGNS}
    return (
        f"{number['create']} to create, {number['update']} to change, {number['delete']} to remove."
    )


def shown(value: Any) -> str:
    """Write one value on one line, long texts by their length only."""
    match value:
        case None:
            return "none"
        case Hidden():
            return str(value)
        case str() if len(value) > TEXT_MAX or "\n" in value:
            return f"({len(value):,} characters)"
        case str():
            return value if value == value.strip() and value else json.dumps(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def as_json(changes: Sequence[Change], *, is_applied: bool) -> str:
    """Write changes for scripts."""
    return json.dumps(
        {
            "applied": is_applied,
            "changes": [
                {
                    "action": change.action,
                    "kind": change.kind,
                    "key": change.key,
                    "account": change.account,
                    "fields": {
                        name: {"from": old, "to": new} for name, (old, new) in change.fields.items()
                    },
                }
                for change in changes
            ],
        },
        indent=2,
        ensure_ascii=False,
        default=str,
    )
