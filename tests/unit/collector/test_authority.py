from __future__ import annotations

import hashlib
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from collector import authority
from collector.errors import CollectorError


def request(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "collector.vantage.internal")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_the_authority_outlives_the_process(tmp_path: Path) -> None:
    made = authority.load_or_create(tmp_path / "new")
    again = authority.load_or_create(tmp_path / "new")
    assert made.public_key_sha256 == again.public_key_sha256
    assert (tmp_path / "new" / "authority.key").stat().st_mode & 0o777 == 0o600


def test_half_an_authority_is_refused_not_replaced(tmp_path: Path) -> None:
    authority.load_or_create(tmp_path)
    (tmp_path / "authority.key").unlink()
    with pytest.raises(CollectorError, match=str(tmp_path)):
        authority.load_or_create(tmp_path)


def test_a_key_with_a_password_is_said_to_have_one(tmp_path: Path) -> None:
    made = authority.load_or_create(tmp_path)
    locked = made.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"a-password"),
    )
    (tmp_path / "authority.key").write_bytes(locked)
    with pytest.raises(CollectorError, match="the key has a password"):
        authority.load_or_create(tmp_path)


def test_a_key_of_another_authority_is_refused(tmp_path: Path) -> None:
    authority.load_or_create(tmp_path / "a")
    authority.load_or_create(tmp_path / "b")
    (tmp_path / "a" / "authority.key").write_bytes((tmp_path / "b" / "authority.key").read_bytes())
    with pytest.raises(CollectorError, match="do not belong together"):
        authority.load_or_create(tmp_path / "a")


def test_an_agents_certificate_names_the_agent_and_nothing_it_asked_for(tmp_path: Path) -> None:
    issuer = authority.load_or_create(tmp_path)
    agent_id = uuid4()
    pem, expires_at = issuer.issue_agent(request(ec.generate_private_key(ec.SECP256R1())), agent_id)
    certificate = x509.load_pem_x509_certificate(pem)
    certificate.verify_directly_issued_by(issuer.certificate)
    assert certificate.subject == x509.Name([])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.UniformResourceIdentifier(f"spiffe://vantage/agent/{agent_id}")]
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert certificate.not_valid_after_utc == expires_at


@pytest.mark.parametrize(
    ("csr", "why"),
    [
        (b"nonsense", "PKCS #10"),
        (request(ec.generate_private_key(ec.SECP384R1())), "P-256"),
        (request(rsa.generate_private_key(65537, 2048)), "P-256"),
    ],
)
def test_an_unsound_request_is_refused(tmp_path: Path, csr: bytes, why: str) -> None:
    with pytest.raises(authority.BadRequest, match=why):
        authority.load_or_create(tmp_path).issue_agent(csr, uuid4())


def test_a_request_that_was_tampered_with_is_refused(tmp_path: Path) -> None:
    csr = bytearray(request(ec.generate_private_key(ec.SECP256R1())))
    csr[-1] ^= 1
    with pytest.raises(authority.BadRequest):
        authority.load_or_create(tmp_path).issue_agent(bytes(csr), uuid4())


def test_the_collectors_chain_holds_the_pinned_key(tmp_path: Path) -> None:
    issuer = authority.load_or_create(tmp_path)
    _, chain = issuer.issue_collector()
    leaf, root = x509.load_pem_x509_certificates(chain)
    leaf.verify_directly_issued_by(root)
    spki = root.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert hashlib.sha256(spki).digest() == issuer.public_key_sha256
