"""What targets' certificates say, and which of them was seen where: a row per change.

Strangers made these certificates: whatever cannot be read is NULL, the certificate itself is kept.

Source: RFC 5280; RFC 4514 for names as text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import psycopg
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import SignatureAlgorithmOID as Signature
from psycopg.rows import DictRow

from collector import db
from vantage.v1 import result_pb2

CHAIN_MAX = 10
TEXT_MAX = 2048
NAME_MAX = 253

SIGNATURES = {
    Signature.RSA_WITH_SHA1: "RSA with SHA-1",
    Signature.RSA_WITH_SHA256: "RSA with SHA-256",
    Signature.RSA_WITH_SHA384: "RSA with SHA-384",
    Signature.RSA_WITH_SHA512: "RSA with SHA-512",
    Signature.RSASSA_PSS: "RSA-PSS",
    Signature.ECDSA_WITH_SHA256: "ECDSA with SHA-256",
    Signature.ECDSA_WITH_SHA384: "ECDSA with SHA-384",
    Signature.ECDSA_WITH_SHA512: "ECDSA with SHA-512",
    Signature.ED25519: "Ed25519",
    Signature.ED448: "Ed448",
}


@dataclass(frozen=True, slots=True)
class Certificate:
    """A row of vantage.certificates. None: it cannot be read."""

    sha256: bytes
    der: bytes
    subject: str | None = None
    issuer: str | None = None
    names: tuple[str, ...] | None = None
    serial: str | None = None
    key: str | None = None
    signature: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """A target showed ``chain`` to a probe from a location; ``seen_at``: microseconds, Unix."""

    monitor_id: int
    location: str
    seen_at_us: int
    tls_version: str | None
    tls_cipher: str | None
    chain: tuple[Certificate, ...]

    @property
    def row(self) -> dict[str, Any]:
        ends = [each.not_after for each in self.chain if each.not_after]
        return {
            "monitor_id": self.monitor_id,
            "location": self.location,
            "chain": [each.sha256 for each in self.chain],
            "tls_version": self.tls_version,
            "tls_cipher": self.tls_cipher,
            "seen_at_us": self.seen_at_us,
            "expires_at": min(ends, default=None),
        }


def sighting(message: result_pb2.Result, location: str) -> Sighting | None:
    """Return what a result tells of a handshake. None: nothing new."""
    if not message.HasField("handshake") or not message.handshake.chain:
        return None
    handshake = message.handshake
    return Sighting(
        monitor_id=message.monitor_id,
        location=location,
        seen_at_us=message.started_at_us,
        tls_version=_text(handshake.tls_version),
        tls_cipher=_text(handshake.tls_cipher),
        chain=tuple(map(certificate, handshake.chain[:CHAIN_MAX])),
    )


@lru_cache(maxsize=1024)
def certificate(der: bytes) -> Certificate:
    """Read a certificate."""
    sha256 = hashlib.sha256(der).digest()
    try:
        read = x509.load_der_x509_certificate(der)
        return Certificate(
            sha256=sha256,
            der=der,
            subject=_text(read.subject.rfc4514_string()),
            issuer=_text(read.issuer.rfc4514_string()),
            names=_names(read),
            serial=f"{read.serial_number:x}",
            key=_key(read),
            signature=SIGNATURES.get(
                read.signature_algorithm_oid, read.signature_algorithm_oid.dotted_string
            ),
            not_before=read.not_valid_before_utc,
            not_after=read.not_valid_after_utc,
        )
    except (ValueError, x509.InvalidVersion):
        return Certificate(sha256, der)


async def store(cursor: psycopg.AsyncCursor[DictRow], sightings: Iterable[Sighting]) -> None:
    """Add what is new; what is known is only noted as seen again.

    Always in the same order, so that collectors never wait for each other in a circle.
    """
    rows = sorted((each.row for each in sightings), key=repr)
    if not rows:
        return
    statements = db.queries("certificates")
    chains = {each.sha256: each for sighting in sightings for each in sighting.chain}
    certificates = [_columns(chains[sha256]) for sha256 in sorted(chains)]
    await cursor.executemany(statements["add_certificate"], certificates)
    await cursor.executemany(statements["see_chain"], rows)


def _columns(read: Certificate) -> dict[str, Any]:
    return {
        **{name: getattr(read, name) for name in Certificate.__slots__},
        "names": list(read.names) if read.names is not None else None,
    }


def _names(read: x509.Certificate) -> tuple[str, ...] | None:
    """Return the subject alternative names that a URL can hold; None: unreadable."""
    try:
        extension = read.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return None
    dns = extension.value.get_values_for_type(x509.DNSName)
    ips = extension.value.get_values_for_type(x509.IPAddress)
    return tuple(_text(str(name)[:NAME_MAX]) or "" for name in (*dns, *ips))


def _key(read: x509.Certificate) -> str | None:
    """Name kind and size of the public key: RSA 2048, EC secp256r1, Ed25519."""
    try:
        key = read.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    match key:
        case rsa.RSAPublicKey():
            return f"RSA {key.key_size}"
        case ec.EllipticCurvePublicKey():
            return f"EC {key.curve.name}"
        case ed25519.Ed25519PublicKey():
            return "Ed25519"
        case ed448.Ed448PublicKey():
            return "Ed448"
        case _:
            return None


def _text(value: str) -> str | None:
    """Make text storable; None for an empty one."""
    cleaned = value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace")
    return cleaned.decode("utf-8")[:TEXT_MAX] or None
