"""What a monitor must know and nobody else: header values, keys, passwords; and its sealed row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from collector import db
from collector.errors import CollectorError
from collector.keyring import Keyring, Sealed
from collector.request import check_header


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
        names = [name for name, _ in self.headers]
        names += ["client key"] if self.client_key else []
        return names + (["proxy password"] if self.proxy else [])

    def encode(self) -> bytes:
        """Write all of it as JSON, to be sealed."""
        content = {"headers": self.headers, "client_key": self.client_key, "proxy": self.proxy}
        return json.dumps(content).encode()

    @classmethod
    def decode(cls, content: bytes) -> Secrets:
        """Read what ``encode`` wrote."""
        found = json.loads(content)
        proxy = found["proxy"]
        return cls(
            headers=tuple((name, value) for name, value in found["headers"]),
            client_key=found["client_key"],
            proxy=None if proxy is None else (proxy[0], proxy[1]),
        )


NONE = Secrets()


def check_secrets(secrets: Secrets) -> None:
    """Raise CollectorError for what cannot be sent, without telling it."""
    for name, value in secrets.headers:
        check_header(name, value)


def store_secrets(
    connection: db.Connection, monitor_id: int, secrets: Secrets, keyring: Keyring
) -> None:
    """Seal a monitor's secrets; the key file is made while nothing is sealed yet.

    Raises: CollectorError.
    """
    statements = db.queries("secrets")
    if not secrets.names:
        connection.execute(statements["forget"], {"monitor_id": monitor_id})
        return
    if not keyring.exists:
        if connection.execute(db.queries("channels")["is_sealed"]).fetchone() is not None:
            raise CollectorError(
                f"{keyring.file} is missing, and other secrets are sealed with its keys."
                " Restore it from its backup, or name it with --secret-key-file."
            )
        keyring.add()
    sealed = keyring.seal(monitor_id, secrets.encode())
    connection.execute(
        statements["store"],
        {
            "monitor_id": monitor_id,
            "names": secrets.names,
            "key_id": sealed.key_id,
            "nonce": sealed.nonce,
            "sealed": sealed.sealed,
        },
    )


def stored_secrets(connection: db.Connection, monitor_id: int, keyring: Keyring) -> Secrets:
    """Return what a monitor's secrets are. Raises: CollectorError when no key opens them."""
    row = connection.execute(
        db.queries("secrets")["sealed_of"], {"monitor_id": monitor_id}
    ).fetchone()
    return NONE if row is None else opened(row, monitor_id, keyring)


def opened(row: Mapping[str, Any], monitor_id: int, keyring: Keyring) -> Secrets:
    """Open the secrets in a row with key_id, nonce and sealed; all NULL: it has none.

    Raises: CollectorError.
    """
    if row["key_id"] is None:
        return NONE
    sealed = Sealed(row["key_id"], bytes(row["nonce"]), bytes(row["sealed"]))
    return Secrets.decode(keyring.open(monitor_id, sealed))
