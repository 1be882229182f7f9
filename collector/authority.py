"""The private certificate authority: what makes an agent or a collector one of ours.

Its key lives in one file, readable by the collector alone, and never in the database. Collectors'
certificates carry the fixed DNS name COLLECTOR_NAME, so that an agent can verify them behind any
address or load balancer; agents' carry a SPIFFE URI, no DNS name, and cannot serve.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from collector.errors import CollectorError

COLLECTOR_NAME = "collector.vantage.internal"
AGENT_URI = "spiffe://vantage/agent/"
AUTHORITY_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=7)
# A machine whose clock is a little behind must still accept a certificate made just now.
BACKDATED = timedelta(hours=1)


class BadRequest(ValueError):
    """A certificate signing request that is not honoured; the message says why."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A key that signs and the certificate that agents trust."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def public_key_sha256(self) -> bytes:
        """SHA-256 of the SubjectPublicKeyInfo (DER): the pin that enrolment tokens carry."""
        return hashlib.sha256(
            self.key.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        ).digest()

    def issue_agent(self, csr_der: bytes, agent_id: UUID) -> tuple[bytes, datetime]:
        """Return a client certificate (PEM) for the request's key, and the end of its life.

        The request's names are ignored. Raises: BadRequest.
        """
        try:
            csr = x509.load_der_x509_csr(csr_der)
        except ValueError as error:
            raise BadRequest("The certificate signing request is not PKCS #10 in DER.") from error
        key = csr.public_key()
        if not (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)):
            raise BadRequest("The certificate signing request's key is not EC P-256.")
        if not csr.is_signature_valid:
            raise BadRequest("The certificate signing request's signature is wrong.")
        certificate = self.leaf(
            key,
            x509.UniformResourceIdentifier(f"{AGENT_URI}{agent_id}"),
            ExtendedKeyUsageOID.CLIENT_AUTH,
        )
        return (
            certificate.public_bytes(serialization.Encoding.PEM),
            certificate.not_valid_after_utc,
        )

    def issue_collector(self) -> tuple[bytes, bytes]:
        """Return a fresh private key and its server certificate followed by ours, both PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self.leaf(
            key.public_key(), x509.DNSName(COLLECTOR_NAME), ExtendedKeyUsageOID.SERVER_AUTH
        )
        return private_pem(key), certificate.public_bytes(serialization.Encoding.PEM) + self.pem

    def leaf(
        self,
        key: ec.EllipticCurvePublicKey,
        name: x509.GeneralName,
        usage: x509.ObjectIdentifier,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            .not_valid_after(now + LEAF_LIFE)
            # RFC 5280, 4.2.1.6: critical, because the subject is empty.
            .add_extension(x509.SubjectAlternativeName([name]), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )


def load_or_create(directory: Path) -> Authority:
    """Return the authority of a directory (authority.key, authority.pem), making it if absent.

    Raises: CollectorError when the directory cannot be used or holds half an authority.
    """
    key_file, certificate_file = directory / "authority.key", directory / "authority.pem"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CollectorError(
            f"The certificate authority's directory {directory} cannot be made: {error.strerror}. "
            "Name another with --authority."
        ) from error
    if not key_file.exists() and not certificate_file.exists():
        create(key_file, certificate_file)
    return load(key_file, certificate_file)


def load(key_file: Path, certificate_file: Path) -> Authority:
    """Read an authority. Raises: CollectorError when it cannot be used."""
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        if isinstance(error, TypeError):
            reason = "the key has a password"
        raise CollectorError(
            f"The certificate authority in {key_file.parent} cannot be used: {reason}. Put its "
            f"{key_file.name} and {certificate_file.name} back, or name another directory with "
            "--authority."
        ) from error
    if (
        not isinstance(key, ec.EllipticCurvePrivateKey)
        or key.public_key() != certificate.public_key()
    ):
        raise CollectorError(
            f"{key_file.name} and {certificate_file.name} in {key_file.parent} do not belong "
            "together. Put back the pair that your agents were enrolled with."
        )
    return Authority(key, certificate)


def create(key_file: Path, certificate_file: Path, *, made_at: datetime | None = None) -> None:
    """Write a new authority; the key, written last, is what makes it one.

    Raises: CollectorError when it cannot be written.
    """
    try:
        _create(key_file, certificate_file, made_at or datetime.now(UTC))
    except OSError as error:
        raise CollectorError(
            f"A new certificate authority cannot be written to {key_file.parent}: "
            f"{error.strerror}. Name another directory with --authority."
        ) from error


def _create(key_file: Path, certificate_file: Path, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Vantage authority")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    with os.fdopen(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(private_pem(key))


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Encode a key as unencrypted PKCS #8; whoever stores it sees to the file's mode."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
