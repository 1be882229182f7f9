"""Bringing the database to what files say, in one transaction.

A plan is made by doing it and taking it back, so that it meets whatever applying would meet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from collector import db
from collector.config.configuration import Document, Entry
from collector.config.kind import Present, Scope
from collector.config.kinds import KINDS
from collector.config.plan import Change
from collector.keyring import Keyring

NOBODY = 0
RECORDED_MAX = 20  # changes named in one entry of the audit log
MANY = 50  # changes after which PostgreSQL's own statistics would be of another database


def apply(
    connection: db.Connection,
    documents: Sequence[Document],
    *,
    keyring: Keyring,
    prune: bool,
    is_plan: bool,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> list[Change]:
    """Create and change what the files name; with ``prune`` remove what files named before.

    ``tell`` hears how many of how many things are done. Raises: Mistake.
    """
    # Two that apply at the same time follow each other.
    connection.execute(db.queries("config")["lock"])
    names = {row["id"]: row["name"] for row in
             connection.execute(db.queries("operator")["accounts"])}  # fmt: skip
    entries = by_owner(documents, names)
    scopes = {owner: Scope(connection, owner, keyring, is_plan) for owner in entries}
    number, total = 0, sum(map(len, entries.values()))
    changes: list[Change] = []
    surplus: list[Change] = []
    for kind in KINDS:
        for owner, scope in scopes.items():
            wanted = {each.key: each for each in entries[owner] if each.kind is kind}
            if kind.is_owned == (owner == NOBODY):
                continue
            present = kind.present(scope)
            scope.ids[kind.one] = {key: each.id for key, each in present.items()}
            for key, entry in wanted.items():
                number += 1
                tell(number, total)
                change = bring_about(scope, entry, present.get(key), names.get(owner))
                changes += [change] if change else []
            for key, each in present.items() if prune and kind.is_owned else ():
                if each.is_kept and key not in wanted:
                    before = kind.document(scope, each)
                    surplus.insert(0, Change("delete", kind.one, key, names[owner], before, {}))
                    kind.remove(scope, each)
                    scope.forget(kind.one, key)
                    del scope.ids[kind.one][key]
    record(scopes, names, changes + surplus)
    if len(changes + surplus) >= MANY and not is_plan:
        connection.execute(db.queries("config")["take_statistics"])
    return changes + surplus


def record(
    scopes: Mapping[int, Scope], names: Mapping[int, str], changes: Sequence[Change]
) -> None:
    """Write into each account's audit log what was done there."""
    for owner, scope in scopes.items():
        own = [each for each in changes if owner != NOBODY and each.account == names[owner]]
        done = [f"{each.action} {each.kind} {each.key}" for each in own if each.action != "keep"]
        if done:
            more = f" and {len(done) - RECORDED_MAX} more" if len(done) > RECORDED_MAX else ""
            detail = ", ".join(done[:RECORDED_MAX]) + more
            scope.connection.execute(
                db.queries("config")["record"], {"account_id": owner, "detail": detail}
            )


def bring_about(
    scope: Scope, entry: Entry, present: Present | None, account: str | None
) -> Change | None:
    """Make one thing as it is wanted; return what that changed. Raises: Mistake."""
    kind, key = entry.kind, entry.key
    if present is None:
        number, after = kind.create(scope, key, entry.wanted)
        change = Change("create", kind.one, key, account, {}, after)
    else:
        number, before, after = kind.update(scope, present, entry.wanted)
        action = "update" if before != after else "keep"
        change = Change(action, kind.one, key, account, before, after)
    if kind.is_owned:
        scope.keep(kind.one, key, number)
    is_kept = present is not None and present.is_kept
    return None if change.action == "keep" and is_kept else change


def by_owner(documents: Sequence[Document], names: dict[int, str]) -> dict[int, list[Entry]]:
    """Return what is wanted by account, ``NOBODY`` for what belongs to none.

    Raises: Mistake for an account that there is not, and for what is named twice.
    """
    found: dict[int, list[Entry]] = {NOBODY: []}
    seen: dict[tuple[int, str, str], Entry] = {}
    for document in documents:
        owned = any(entry.kind.is_owned for entry in document.entries)
        account = owner_of(document, names) if owned or document.account else NOBODY
        found.setdefault(account, [])
        for entry in document.entries:
            owner = account if entry.kind.is_owned else NOBODY
            identity = owner, entry.kind.name, entry.key
            if identity in seen:
                first = seen[identity].part
                line = first.node.start_mark.line + 1
                raise entry.part.mistake(
                    f"{entry.key!r} is there already, in line {line} of {first.file}."
                )
            seen[identity] = entry
            found[owner].append(entry)
    return found


def owner_of(document: Document, names: dict[int, str]) -> int:
    """Return the id of the account whose document this is. Raises: Mistake."""
    ids = {name: account_id for account_id, name in names.items()}
    if document.account is None and len(ids) == 1:
        return next(iter(ids.values()))
    if document.account in ids:
        return ids[document.account]
    known = ", ".join(ids) or "none yet; add one with: vantage account add"
    what = (
        f"there is no account {document.account!r}"
        if document.account
        else "say whose this is, with account: NAME"
    )
    raise document.part.mistake(f"{what}. Accounts: {known}.")
