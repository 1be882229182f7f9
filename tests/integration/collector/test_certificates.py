"""Certificates that agents tell of: read, stored once, and seen again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.certificates import TestAuthority
from tests.support.collector import (
    Collector,
    configure,
    enrol,
    fetch,
    new_incarnation,
    result,
    running_collector,
    stream,
)
from tests.support.database import Database
from vantage.v1 import result_pb2

SIGHTINGS = "SELECT * FROM vantage.certificate_sightings ORDER BY monitor_id, first_seen_at"


@pytest.fixture
def collector(database: Database, tmp_path: Path) -> Iterator[Collector]:
    configure(database.url(), locations=["a"], monitors=2)
    with running_collector(database.url(role="vantage_collector"), tmp_path) as collector:
        yield collector


def der(path: Path) -> bytes:
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)


def handshake(*chain: bytes, version: str = "1.3") -> result_pb2.Handshake:
    cipher = "TLS_AES_128_GCM_SHA256" if version else ""
    return result_pb2.Handshake(tls_version=version, tls_cipher=cipher, chain=chain)


async def test_a_chain_is_stored_once_and_readable(collector: Collector, tmp_path: Path) -> None:
    authority = TestAuthority(tmp_path)
    leaf = authority.issue("shop.example", "*.shop.example", "192.0.2.7", ends=timedelta(days=50))
    chain = handshake(der(leaf.certificate), der(authority.path))
    agent = await enrol(collector, "a")
    told = [result(1, 60, handshake=chain), result(2, 50, handshake=chain), result(1, 40)]
    async with stream(collector, agent) as delivery:
        await delivery.hello(new_incarnation())
        await delivery.batch(1, told)
        await delivery.read("ack")
        # A batch that comes again, and the same chain a day later by another incarnation.
        await delivery.batch(1, told)
        await delivery.read("ack")
        await delivery.hello(new_incarnation())
        await delivery.batch(1, [result(1, 20, handshake=chain)])
        await delivery.read("ack")
    issuer, read = fetch(collector.url, "SELECT * FROM vantage.certificates ORDER BY names")
    assert read["subject"] == "CN=Prüfling shop.example"
    assert read["issuer"] == issuer["subject"] == "CN=Vantage test authority"
    assert read["names"] == ["shop.example", "*.shop.example", "192.0.2.7"]
    assert (read["key"], read["signature"]) == ("EC secp256r1", "ECDSA with SHA-256")
    assert read["serial"] == leaf.certificate.stem
    assert read["not_after"] == leaf.expires_at
    assert read["der"] == der(leaf.certificate)
    first, second = fetch(collector.url, SIGHTINGS)
    assert first["chain"] == [read["sha256"], issuer["sha256"]]
    assert first["expires_at"] == issuer["not_after"] < read["not_after"]
    assert (first["tls_version"], first["location"]) == ("1.3", "a")
    assert first["last_seen_at"] - first["first_seen_at"] == timedelta(seconds=40)
    assert second["monitor_id"] == 2
    assert second["last_seen_at"] == second["first_seen_at"]


async def test_a_change_is_a_row_and_so_is_a_refusal(collector: Collector, tmp_path: Path) -> None:
    authority = TestAuthority(tmp_path)
    old, new = (der(authority.issue("shop.example").certificate) for _ in range(2))
    agent = await enrol(collector, "a")
    async with stream(collector, agent) as delivery:
        await delivery.hello(new_incarnation())
        told = [handshake(old), handshake(old, version="1.2"), handshake(new, version="")]
        told.append(handshake(new, version=""))
        results = [result(1, 60 - at, handshake=each) for at, each in enumerate(told)]
        await delivery.batch(1, results)
        await delivery.read("ack")
    rows = fetch(collector.url, SIGHTINGS)
    assert [row["tls_version"] for row in rows] == ["1.3", "1.2", None]
    assert rows[2]["tls_cipher"] is None
    assert rows[2]["last_seen_at"] > rows[2]["first_seen_at"]


async def test_what_is_no_certificate_spoils_nothing(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    async with stream(collector, agent) as delivery:
        await delivery.hello(new_incarnation())
        await delivery.batch(1, [result(1, 60, handshake=handshake(b"\x30\x03\x02\x01"))])
        assert (await delivery.read("ack")).high_water == 1
        await delivery.batch(2, [result(1, 50, handshake=handshake())])
        assert (await delivery.read("ack")).high_water == 2
    [read] = fetch(collector.url, "SELECT * FROM vantage.certificates")
    assert (read["der"], read["subject"], read["not_after"]) == (b"\x30\x03\x02\x01", None, None)
    [seen] = fetch(collector.url, SIGHTINGS)
    assert seen["expires_at"] is None
    assert fetch(collector.url, "SELECT * FROM vantage.quarantine") == []
