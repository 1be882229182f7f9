"""What a monitor must know and nobody else: headers, a key, a password; and its sealed rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from collector import db, sealing
from collector.errors import CollectorError
from collector.keyring import Keyring
from collector.request import check_header
from collector.sealed_together import open_together

# Secrets that are no headers; no header's name has a space.
CLIENT_KEY = "client key"
PROXY_PASSWORD = "proxy password"  # noqa: S105 - tells what it is


@dataclass(frozen=True, slots=True)
class Secrets:
    """``headers``: (name, value), Authorization among them; ``client_key``: PEM.

    ``proxy``: user name and password.
    """

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    client_key: str | None = field(default=None, repr=False)
    proxy: tuple[str, str] | None = field(default=None, repr=False)

    @property
    def names(self) -> list[str]:
        """What is set, for people; never what it is set to."""
        return list(self.by_name)

    @property
    def by_name(self) -> dict[str, str]:
        """What each row seals."""
        found = dict(self.headers)
        if self.client_key is not None:
            found[CLIENT_KEY] = self.client_key
        if self.proxy is not None:
            found[PROXY_PASSWORD] = ":".join(self.proxy)
        return found

    @classmethod
    def of(cls, by_name: Mapping[str, str]) -> Secrets:
        """Return what ``by_name`` says."""
        login = by_name.get(PROXY_PASSWORD)
        user, _, password = (login or "").partition(":")
        return cls(
            headers=tuple(
                (name, value)
                for name, value in by_name.items()
                if name not in (CLIENT_KEY, PROXY_PASSWORD)
            ),
            client_key=by_name.get(CLIENT_KEY),
            proxy=None if login is None else (user, password),
        )


NONE = Secrets()


def check_secrets(secrets: Secrets) -> None:
    """Raise CollectorError for what cannot be sent, without telling it."""
    seen = set()
    for name, value in secrets.headers:
        check_header(name, value)
        if name.lower() in seen:
            raise CollectorError(f"The secret header {name} is given twice; one can be.")
        seen.add(name.lower())


def store_secrets(
    connection: db.Connection, monitor_id: int, secrets: Secrets, keyring: Keyring
) -> None:
    """Seal a monitor's secrets, forget its others; the key file is made while nothing is sealed.

    Raises: CollectorError.
    """
    statements, by_name = db.queries("secrets"), secrets.by_name
    connection.execute(statements["keep_only"], {"monitor_id": monitor_id, "names": list(by_name)})
    if not by_name:
        return
    sealing.publish(connection, keyring)
    row = connection.execute(statements["account_of"], {"monitor_id": monitor_id}).fetchone()
    assert row is not None  # noqa: S101 - it was found or added before
    for name, value in by_name.items():
        subject = sealing.secret(row["account_id"], monitor_id, name)
        key_id, sealed = sealing.seal(connection, subject, value.encode())
        connection.execute(
            statements["store"],
            {"monitor_id": monitor_id, "name": name, "key_id": key_id, "sealed": sealed},
        )


def stored_secrets(connection: db.Connection, monitor_id: int, keyring: Keyring) -> Secrets:
    """Return what a monitor's secrets are. Raises: CollectorError when no key opens them."""
    rows = connection.execute(db.queries("secrets")["sealed_of"], {"monitor_id": monitor_id})
    return opened(rows, keyring)


def opened(rows: Iterable[Mapping[str, Any]], keyring: Keyring) -> Secrets:
    """Open rows with account_id, monitor_id, name, key_id, sealed and nonce, in hexadecimal.

    Raises: CollectorError.
    """
    return Secrets.of({row["name"]: open_secret(row, keyring).decode() for row in rows})


def open_secret(row: Mapping[str, Any], keyring: Keyring) -> bytes:
    """Open one row, as in `opened`. Raises: CollectorError."""
    monitor_id, name, sealed = row["monitor_id"], row["name"], bytes.fromhex(row["sealed"])
    if row["nonce"] is not None:
        nonce = bytes.fromhex(row["nonce"])
        return open_together(keyring, monitor_id, row["key_id"], nonce, sealed)[name].encode()
    subject = sealing.secret(row["account_id"], monitor_id, name)
    return sealing.open_(keyring, subject, row["key_id"], sealed)


def reseal(connection: db.Connection, rows: Iterable[Mapping[str, Any]], keyring: Keyring) -> None:
    """Seal rows, as in `opened`, with the newest key. Raises: CollectorError."""
    sealing.publish(connection, keyring)
    for row in rows:
        subject = sealing.secret(row["account_id"], row["monitor_id"], row["name"])
        key_id, sealed = sealing.seal(connection, subject, open_secret(row, keyring))
        connection.execute(
            db.queries("secrets")["reseal"],
            {
                "monitor_id": row["monitor_id"],
                "name": row["name"],
                "key_id": key_id,
                "sealed": sealed,
            },
        )


def make_settable(connection: db.Connection, keyring: Keyring) -> None:
    """Let the report centre seal, if there is a key to open with; seal anew what was together.

    A key that is published stays: another collector's file may be newer. Raises: CollectorError.
    """
    if keyring.exists and sealing.published(connection) is None:
        sealing.publish(connection, keyring)
    rows = connection.execute(db.queries("secrets")["sealed"]).fetchall()
    if together := [row for row in rows if row["nonce"] is not None]:
        reseal(connection, together, keyring)
