"""Held against the cryptography package, certificate by certificate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from agent.authorities import system_bundle
from agent.validity import expires_at_us

DER = serialization.Encoding.DER
KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(ends_at: datetime) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a" * 60)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(KEY.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(ends_at - timedelta(days=1)).not_valid_after(ends_at)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(DER)


@pytest.mark.parametrize(
    "year", [1951, 1999, 2000, 2026, 2049, 2050, 9999], ids=str
)  # UTCTime, and from 2050 on GeneralizedTime
def test_the_end_of_a_certificate(year: int) -> None:
    ends_at = datetime(year, 12, 31, 23, 59, 58, tzinfo=UTC)
    assert expires_at_us(certificate(ends_at)) == int(ends_at.timestamp()) * 1_000_000


# Among them are some whose serial numbers are not quite as they should be.
@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_every_authority_of_this_machine() -> None:
    known = x509.load_pem_x509_certificates(system_bundle().read_bytes())
    for each in known:
        ends_at = each.not_valid_after_utc.timestamp()
        assert expires_at_us(each.public_bytes(DER)) == int(ends_at) * 1_000_000
    assert len(known) > 50


GOOD = certificate(datetime(2030, 1, 1, tzinfo=UTC))


@given(at=st.integers(0, len(GOOD) - 1), value=st.integers(0, 255), end=st.integers(0, len(GOOD)))
def test_what_cannot_be_read_is_nothing_and_no_error(at: int, value: int, end: int) -> None:
    harmed = bytearray(GOOD)
    harmed[at] = value
    for data in (bytes(harmed), GOOD[:end], bytes(harmed)[:end]):
        found = expires_at_us(data)
        assert found is None or isinstance(found, int)


def test_what_is_no_certificate_has_no_end() -> None:
    assert expires_at_us(b"") is None
    assert expires_at_us(b"not a certificate at all") is None
