"""Joining and renewing against real listeners."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import stat
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from agent import enrolment
from agent.delivery import Delivery
from agent.errors import AgentError, FatalError, TransientError
from agent.home import Home
from agent.spool import Spool
from tests.support.delivery_server import SECRET, DeliveryServer, Issuer


@pytest.fixture
async def server() -> AsyncIterator[DeliveryServer]:
    async with DeliveryServer() as server:
        yield server


async def join(server: DeliveryServer, path: Path, token: str = "") -> Home:
    home = Home(path)
    await enrolment.join(home, enrolment.parse_token(token or server.token), "machine-1")
    return home


async def test_joining_makes_an_identity_that_mutual_tls_accepts(
    server: DeliveryServer, tmp_path: Path
) -> None:
    home = await join(server, tmp_path)
    identity, credentials = home.identity(), home.credentials()
    assert server.names == ["machine-1"]
    assert (identity.location, identity.collector) == ("test", server.address)
    assert credentials.authority == server.issuer.pem
    assert credentials.certificate
    assert credentials.key
    certificate = x509.load_pem_x509_certificate(credentials.certificate)
    key = serialization.load_pem_private_key(credentials.key, None)
    assert certificate.public_key() == key.public_key()
    assert identity.certificate_expires_at_s == int(certificate.not_valid_after_utc.timestamp())
    assert stat.S_IMODE((tmp_path / "agent.key").stat().st_mode) == 0o600
    assert not (tmp_path / "agent.key.new").exists()
    await enrolment.renew(home, identity, server.address)  # only possible over mutual TLS
    assert server.counts["renewals"] == 1


async def test_the_secret_is_good_once(server: DeliveryServer, tmp_path: Path) -> None:
    await join(server, tmp_path / "a")
    with pytest.raises(FatalError, match="unknown or spent"):
        await join(server, tmp_path / "b")
    assert not Home(tmp_path / "b").is_joined


async def test_a_collector_of_another_installation_gets_no_secret(
    server: DeliveryServer, tmp_path: Path
) -> None:
    token = f"{SECRET}.{Issuer().pin}@127.0.0.1:{server.enrolment_port}"
    with pytest.raises(FatalError, match="is not the one this token was made by"):
        await join(server, tmp_path, token)
    assert server.names == []
    assert not (tmp_path / "agent.key.new").exists()


async def test_nobody_there(server: DeliveryServer, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        token = f"{SECRET}.{server.issuer.pin}@127.0.0.1:{port}"
        with pytest.raises(TransientError, match=rf"Cannot reach .* 127\.0\.0\.1:{port}"):
            await join(server, tmp_path, token)


async def test_something_else_there(server: DeliveryServer, tmp_path: Path) -> None:
    async def shout(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        writer.close()

    async with await asyncio.start_server(shout, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        token = f"{SECRET}.{server.issuer.pin}@127.0.0.1:{port}"
        with pytest.raises(AgentError, match=r"127\.0\.0\.1:"):
            await join(server, tmp_path, token)


PIN = "A" * 43


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", "is empty"),
        ("one two", "more than one word"),
        (f"secret.{PIN}", "no @"),
        (f"secret{PIN}@h:1", r"no \. between"),
        (f".{PIN}@h:1", "secret .* is not base64url"),
        (f"se+ret.{PIN}@h:1", "secret .* is not base64url"),
        ("secret.abc@h:1", r"43 characters, not 3"),
        (f"secret.{PIN[:-1]}!@h:1", "pin"),
        (f"secret.{PIN}@host", "not HOST:PORT"),
        (f"secret.{PIN}@:7444", "not HOST:PORT"),
        (f"secret.{PIN}@::1:7444", "write IPv6 as"),
        (f"secret.{PIN}@host:", "no port"),
        (f"secret.{PIN}@host:0", "no port"),
        (f"secret.{PIN}@host:65536", "no port"),
        (f"secret.{PIN}@https://host:7444", "not HOST:PORT"),
    ],
)
def test_a_wrong_token_is_a_sentence_without_the_secret(token: str, message: str) -> None:
    with pytest.raises(FatalError, match=message) as caught:
        enrolment.parse_token(token)
    assert "secret." not in str(caught.value)
    assert "se+ret" not in str(caught.value)


def test_tokens_are_taken_apart() -> None:
    token = enrolment.parse_token(f" s-_9.{PIN}@[2001:db8::1]:7444\n")
    assert (token.secret, token.pin) == ("s-_9", bytes(32))
    assert (token.host, token.address) == ("[2001:db8::1]", "[2001:db8::1]:7444")


async def test_renewal_when_two_thirds_are_over_loses_nothing(
    server: DeliveryServer, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    before = server.enrol(home, age=timedelta(days=5))
    spool = Spool(home.claim_spool(before.agent_id))
    delivery = Delivery(
        home,
        spool,
        collector=server.address,
        version="test",
        on_assignments=lambda _: None,
        on_run_now=lambda _: None,
    )
    delivering = asyncio.create_task(delivery.run())
    while not server.hellos:
        await asyncio.sleep(0.01)
    renewing = asyncio.create_task(enrolment.keep_renewed(home, server.address, delivery.reconnect))
    sent = 0
    async with asyncio.timeout(20):
        while len(server.certificates) < 2 or spool.backlog:
            if len(server.certificates) < 2:
                spool.append([b"result %d" % n for n in range(sent + 1, sent + 11)])
                sent += 10
                delivery.wake()
            await asyncio.sleep(0.005)
    for task in (delivering, renewing):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert server.counts["renewals"] == 1
    after = home.identity()
    assert after.agent_id == before.agent_id
    assert after.certificate_expires_at_s > before.certificate_expires_at_s
    assert home.credentials().certificate in server.certificates
    assert server.results == [b"result %d" % n for n in range(1, sent + 1)]


async def test_a_fresh_certificate_is_not_renewed(server: DeliveryServer, tmp_path: Path) -> None:
    home = Home(tmp_path)
    server.enrol(home, age=timedelta(days=4, hours=15))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await enrolment.keep_renewed(home, server.address, lambda: None, check_every_s=0.05)
    assert server.counts["renewals"] == 0


async def test_a_disk_that_does_not_take_the_certificate_is_tried_again(
    server: DeliveryServer, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    before = server.enrol(home, age=timedelta(days=5))
    renewed = asyncio.Event()
    in_the_way = tmp_path / "agent.crt.tmp"
    in_the_way.mkdir()
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        renewing = tasks.create_task(
            enrolment.keep_renewed(home, server.address, renewed.set, check_every_s=0.05)
        )
        while server.counts["renewals"] < 3:
            await asyncio.sleep(0.01)
        assert home.identity() == before
        in_the_way.rmdir()
        await renewed.wait()
        renewing.cancel()
    assert home.identity().certificate_expires_at_s > before.certificate_expires_at_s
