"""Channels' addresses: sealed to a public key that everybody may have, opened by who has the file.

The private key is made from the newest key of the keyring, so there is one file to keep. HPKE
(RFC 9180) with X25519, HKDF-SHA256 and AES-256-GCM; the account is bound to what is sealed, so that
no row opens as another's.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from collector import db
from collector.errors import CollectorError
from collector.keyring import Keyring

SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


def private_key(key: bytes) -> X25519PrivateKey:
    """Return the private key that belongs to a key of the keyring."""
    derived = HKDF(hashes.SHA256(), 32, salt=None, info=b"vantage channels").derive(key)
    return X25519PrivateKey.from_private_bytes(derived)


def associated(account_id: int | None) -> bytes:
    """Return what binds a seal to its account; None: the operators'."""
    return f"vantage.channels/{account_id or 'operators'}".encode()


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


def seal(connection: db.Connection, account_id: int | None, address: bytes) -> tuple[str, bytes]:
    """Return which key opens it, and the sealed address."""
    row = connection.execute(db.queries("channels")["sealing_key"]).fetchone()
    assert row is not None  # noqa: S101 - publish was called
    public_key = X25519PublicKey.from_public_bytes(bytes(row["public_key"]))
    return row["key_id"], SUITE.encrypt(address, public_key, info=associated(account_id))


def open_(keyring: Keyring, account_id: int | None, key_id: str, sealed: bytes) -> bytes:
    """Return the address. Raises: CollectorError."""
    key = keyring.key(key_id)
    if key is None:
        raise CollectorError(
            f"The channel's address needs the key {key_id}, which {keyring.file} lacks. Bring that "
            "key back, or add the channel anew."
        )
    try:
        return SUITE.decrypt(sealed, private_key(key), info=associated(account_id))
    except (InvalidTag, ValueError) as error:
        raise CollectorError(
            "The channel's address does not open: it was changed. Add the channel anew."
        ) from error
