"""One authority replaces another under running agents and collectors; the week in between is short.

A new authority that is said to be nearly a week old begins to sign within seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509

from collector import authorities, authority
from collector.authority import LEAF_LIFE
from collector.errors import CollectorError
from tests.support.certificates import signing_request
from tests.support.collector import (
    Collector,
    Identity,
    enrol,
    new_incarnation,
    stream,
)
from vantage.v1 import enrolment_pb2, enrolment_pb2_grpc

AHEAD = timedelta(seconds=12)


def follow(directory: Path, age: timedelta) -> authority.Authority:
    """Put a following authority of some age into a directory."""
    files = directory / authorities.NEXT_KEY, directory / authorities.NEXT_CERTIFICATE
    authority.create(*files, made_at=datetime.now(UTC) - age)
    return authority.load(*files)


async def renew(collector: Collector, agent: Identity) -> Identity:
    key, csr = signing_request()
    async with agent.channel(collector.port) as channel:
        answer = await enrolment_pb2_grpc.RenewalStub(channel).Renew(
            enrolment_pb2.RenewRequest(csr=csr)
        )
    return replace(agent, key=key, certificate=answer.certificate, authority=answer.authority)


async def delivers(collector: Collector, agent: Identity) -> bool:
    """Whether both trust each other over a new connection."""
    try:
        async with asyncio.timeout(20), stream(collector, agent) as delivery:
            await delivery.hello(new_incarnation())
    except (grpc.aio.AioRpcError, TimeoutError, AssertionError):
        return False
    return True


def is_signed_by(pem: bytes, signer: authority.Authority) -> bool:
    try:
        x509.load_pem_x509_certificate(pem).verify_directly_issued_by(signer.certificate)
    except Exception:
        return False
    return True


async def test_agents_and_collectors_change_their_authority_without_a_stop(
    collector: Collector,
) -> None:
    directory = collector.directory / "authority"
    old = authority.load_or_create(directory)
    agent, late = await enrol(collector, "a"), await enrol(collector, "a")
    assert agent.authority == old.pem
    async with stream(collector, agent) as lasting:
        await lasting.hello(new_incarnation())
        new = follow(directory, LEAF_LIFE - AHEAD)
        async with asyncio.timeout(20):
            while "authorities_changed" not in collector.program.said():
                await asyncio.sleep(0.05)
        # Both are trusted; the old one signs still.
        agent = await renew(collector, agent)
        assert agent.authority == old.pem + new.pem
        assert is_signed_by(agent.certificate, old)
        assert await delivers(collector, agent)
        assert await delivers(collector, late)
        # The week is over: the new one signs.
        async with asyncio.timeout(30):
            while not is_signed_by((await renew(collector, agent)).certificate, new):
                await asyncio.sleep(0.5)
        async with asyncio.timeout(60):
            while await delivers(collector, late):  # it never renewed: what it trusts is gone
                await asyncio.sleep(0.5)
        assert await delivers(collector, agent)  # known by its old certificate
        agent = await renew(collector, agent)
        assert await delivers(collector, agent)
        # A token names the one that signs now, on the other listener too.
        fresh = await enrol(replace_authority(collector, new), "a")
        assert is_signed_by(fresh.certificate, new)
        assert await delivers(collector, fresh)
        await lasting.hello(new_incarnation())  # no stream was cut


def replace_authority(collector: Collector, known: authority.Authority) -> Collector:
    """The same collector, to somebody who was told of one authority only."""

    class Told(Collector):
        authority = known.pem

    return Told(
        collector.url,
        collector.directory,
        collector.port,
        collector.enrolment_port,
        collector.program,
    )


def test_rotating_and_retiring_happen_in_their_time(tmp_path: Path) -> None:
    old = authority.load_or_create(tmp_path)
    with pytest.raises(CollectorError, match="authority rotate"):
        authorities.retire(tmp_path)
    begins_at = authorities.rotate(tmp_path)
    assert abs(begins_at - datetime.now(UTC) - LEAF_LIFE) < timedelta(minutes=1)
    with pytest.raises(CollectorError, match="holds a new authority already"):
        authorities.rotate(tmp_path)
    with pytest.raises(CollectorError, match="Retire it then"):
        authorities.retire(tmp_path)
    both = authorities.Authorities(tmp_path)
    assert both.signing.pem == old.pem
    assert both.pem == both.current.pem + both.all[1].pem
    (tmp_path / authorities.NEXT_KEY).unlink()
    new = follow(tmp_path, 2 * LEAF_LIFE - timedelta(minutes=1))
    assert authorities.Authorities(tmp_path).signing.pem == new.pem
    with pytest.raises(CollectorError, match="Retire it then"):
        authorities.retire(tmp_path)
    (tmp_path / authorities.NEXT_KEY).unlink()
    new = follow(tmp_path, 2 * LEAF_LIFE + timedelta(minutes=1))
    authorities.retire(tmp_path)
    after = authorities.Authorities(tmp_path)
    assert after.pem == after.signing.pem == new.pem
    assert {path.name for path in tmp_path.iterdir()} == {"authority.key", "authority.pem"}
    assert (tmp_path / "authority.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "again", [authorities.retire, authorities.rotate, authorities.open_or_create]
)
def test_a_retirement_that_was_stopped_half_way_is_finished(
    tmp_path: Path, again: Callable[[Path], object]
) -> None:
    authority.load_or_create(tmp_path)
    new = follow(tmp_path, 3 * LEAF_LIFE)
    (tmp_path / authorities.NEXT_CERTIFICATE).replace(tmp_path / authorities.CERTIFICATE)
    again(tmp_path)
    assert authorities.Authorities(tmp_path).current.pem == new.pem


def test_half_a_copy_of_the_directory_is_left_as_it_is(tmp_path: Path) -> None:
    authority.load_or_create(tmp_path)
    follow(tmp_path, 3 * LEAF_LIFE)
    (tmp_path / authorities.NEXT_CERTIFICATE).unlink()
    before = (tmp_path / authorities.KEY).read_bytes()
    with pytest.raises(CollectorError, match="do not belong together"):
        authorities.retire(tmp_path)
    assert (tmp_path / authorities.KEY).read_bytes() == before
