"""What people keep from others: sealed to a public key that everybody may have, opened by who has
the key file. Channels' addresses and monitors' secrets; the report centre seals them, too.

The private key is made from the newest key of the keyring, so there is one file to keep. HPKE
(RFC 9180) with X25519, HKDF-SHA256 and AES-256-GCM; whose it is, is bound to what is sealed, so
that no row opens in another's place.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from collector import db
from collector.errors import CollectorError
from collector.keyring import Keyring

SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


@dataclass(frozen=True, slots=True)
class Subject:
    """``bound``: what binds a seal to it. ``title``, ``remedy``: for a message that it is shut."""

    bound: str
    title: str
    remedy: str


def channel(account_id: int | None) -> Subject:
    """A channel's address; None: the operators'."""
    bound = f"vantage.channels/{account_id or 'operators'}"
    return Subject(bound, "The channel's address", "add the channel anew")


def secret(account_id: int, monitor_id: int, name: str) -> Subject:
    """A monitor's secret."""
    return Subject(
        f"vantage.secrets/{account_id}/{monitor_id}/{name}",
        f"The secret {name} of monitor {monitor_id}",
        f"set it anew: vantage monitor edit {monitor_id}",
    )


def private_key(key: bytes) -> X25519PrivateKey:
    """Return the private key that belongs to a key of the keyring."""
    derived = HKDF(hashes.SHA256(), 32, salt=None, info=b"vantage channels").derive(key)
    return X25519PrivateKey.from_private_bytes(derived)


def publish(connection: db.Connection, keyring: Keyring) -> None:
    """Make the newest public key known, and the key file where nothing needs an older one.

    Raises: CollectorError.
    """
    statements = db.queries("channels")
    if not keyring.exists:
        if connection.execute(statements["is_sealed"]).fetchone() is not None:
            raise CollectorError(
                f"{keyring.file} is missing, and there is something that its keys sealed. Restore "
                "it from its backup, or name it with --secret-key-file."
            )
        keyring.add()
    key_id, key = keyring.newest
    connection.execute(
        statements["publish"],
        {"key_id": key_id, "public_key": private_key(key).public_key().public_bytes_raw()},
    )


def published(connection: db.Connection) -> str | None:
    """Return which key everybody seals to. None: there is none yet."""
    row = connection.execute(db.queries("channels")["sealing_key"]).fetchone()
    return None if row is None else str(row["key_id"])


def seal(connection: db.Connection, subject: Subject, content: bytes) -> tuple[str, bytes]:
    """Return which key opens it, and what is sealed."""
    row = connection.execute(db.queries("channels")["sealing_key"]).fetchone()
    assert row is not None  # noqa: S101 - publish was called
    public_key = X25519PublicKey.from_public_bytes(bytes(row["public_key"]))
    return row["key_id"], SUITE.encrypt(content, public_key, info=subject.bound.encode())


def open_(keyring: Keyring, subject: Subject, key_id: str, sealed: bytes) -> bytes:
    """Return what was sealed. Raises: CollectorError."""
    key = keyring.key(key_id)
    if key is None:
        raise CollectorError(
            f"{subject.title} needs the key {key_id}, which {keyring.file} lacks. Bring that key "
            f"back, or {subject.remedy}"
        )
    try:
        return SUITE.decrypt(sealed, private_key(key), info=subject.bound.encode())
    except (InvalidTag, ValueError) as error:
        raise CollectorError(
            f"{subject.title} does not open: it was changed, or sealed for another. To repair it, "
            f"{subject.remedy}"
        ) from error
