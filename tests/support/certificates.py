"""Certificates for tests: an authority made for the run, leaves good and bad, requests for them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True)
class Leaf:
    """A server's certificate and key, as PEM files."""

    certificate: Path
    key: Path
    expires_at: datetime

    def server_context(
        self, *, alpn: tuple[str, ...] = (), clients_of: Path | None = None
    ) -> ssl.SSLContext:
        """Return a context; ``clients_of``: only clients with a certificate of it are let in."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        if clients_of is not None:
            context.load_verify_locations(clients_of)
            context.verify_mode = ssl.CERT_REQUIRED
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context


class TestAuthority:
    """Issues leaves into ``folder``; ``path`` is its own certificate, to be trusted or not."""

    __test__ = False

    def __init__(self, folder: Path, name: str = "Vantage test authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        certificate = (
            _builder(self._name, self._name, self._key, now - timedelta(1), now + timedelta(30))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.path = folder / f"{name.replace(' ', '-')}.pem"
        self.path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        *names: str,
        begins: timedelta = timedelta(days=-1),
        ends: timedelta = timedelta(days=30),
        is_self_signed: bool = False,
        is_for_clients: bool = False,
    ) -> Leaf:
        """Issue a certificate for ``names`` (addresses too), valid as of now + begins, + ends."""
        now = datetime.now(UTC).replace(microsecond=0)
        key = ec.generate_private_key(ec.SECP256R1())
        # Not ASCII, as any stranger's may be.
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Prüfling {names[0]}"[:64])])
        issuer = subject if is_self_signed else self._name
        signer = key if is_self_signed else self._key
        usage = (
            ExtendedKeyUsageOID.CLIENT_AUTH if is_for_clients else ExtendedKeyUsageOID.SERVER_AUTH
        )
        certificate = (
            _builder(subject, issuer, key, now + begins, now + ends)
            .add_extension(x509.SubjectAlternativeName(map(_general, names)), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .sign(signer, hashes.SHA256())
        )
        stem = f"{certificate.serial_number:x}"
        leaf = Leaf(self._folder / f"{stem}.pem", self._folder / f"{stem}.key", now + ends)
        leaf.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        leaf.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return leaf

    def revocations(self, *leaves: Leaf) -> bytes:
        """Return the list of revoked certificates, PEM, that says so of ``leaves``."""
        now = datetime.now(UTC)
        found = x509.CertificateRevocationListBuilder().issuer_name(self._name)
        found = found.last_update(now - timedelta(1)).next_update(now + timedelta(1))
        for leaf in leaves:
            certificate = x509.load_pem_x509_certificate(leaf.certificate.read_bytes())
            revoked = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number)
            found = found.add_revoked_certificate(revoked.revocation_date(now).build())
        signed = found.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


def signing_request() -> tuple[bytes, bytes]:
    """Return a fresh P-256 key (PEM) and a request signed by it (DER)."""
    key = ec.generate_private_key(ec.SECP256R1())
    csr = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem, csr.public_bytes(serialization.Encoding.DER)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    begins: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
