"""Machines become agents once per token, and no other way."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from cryptography import x509

from collector import authority
from collector.errors import CollectorError
from tests.support.certificates import signing_request
from tests.support.collector import (
    COLLECTOR_NAME,
    Collector,
    enrol,
    execute,
    fetch,
    new_incarnation,
    stream,
)
from vantage.v1 import delivery_pb2, enrolment_pb2, enrolment_pb2_grpc

AGENTS = "SELECT id FROM vantage.agents ORDER BY id"


@pytest.fixture
def collector(lasting_collector: Collector) -> Collector:
    return lasting_collector


def test_a_token_is_never_taken_for_an_option(collector: Collector) -> None:
    assert re.match(r"[0-9a-f]{64}\.[\w-]{43}@", collector.token("a"))


async def test_a_token_makes_one_agent_at_its_location(own_collector: Collector) -> None:
    token = own_collector.token("a")
    agent = await enrol(own_collector, "a", token)
    assert agent.location == "a"
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await enrol(own_collector, "a", token)
    assert refusal.value.code() == grpc.StatusCode.UNAUTHENTICATED
    rows = fetch(own_collector.url, "SELECT id, location, name FROM vantage.agents")
    assert rows == [{"id": agent.agent_id, "location": "a", "name": "by hand"}]


@pytest.mark.parametrize("why", ["unknown", "expired"])
async def test_a_token_that_does_not_count_is_refused_in_the_same_words(
    collector: Collector, why: str
) -> None:
    known = fetch(collector.url, AGENTS)
    token = collector.token("a")
    if why == "expired":
        execute(collector, "UPDATE vantage.enrolment_tokens SET expires_at = now()")
    else:
        token = "x" + token
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await enrol(collector, "a", token)
    assert refusal.value.code() == grpc.StatusCode.UNAUTHENTICATED
    details = refusal.value.details() or ""
    assert details.startswith("The token is unknown, spent or expired.")
    assert fetch(collector.url, AGENTS) == known


async def test_a_refused_request_leaves_the_token_unspent(collector: Collector) -> None:
    token = collector.token("a")
    credentials = grpc.ssl_channel_credentials(collector.authority)
    address = f"127.0.0.1:{collector.enrolment_port}"
    async with grpc.aio.secure_channel(address, credentials, COLLECTOR_NAME) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await enrolment_pb2_grpc.EnrolmentStub(channel).Enrol(
                enrolment_pb2.EnrolRequest(secret=token.partition(".")[0], csr=b"nonsense")
            )
    assert refusal.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    await enrol(collector, "a", token)


@pytest.mark.parametrize("says_who_it_is", [True, False], ids=["home kept", "home lost"])
async def test_a_bound_token_keeps_the_agent(collector: Collector, says_who_it_is: bool) -> None:
    agent, other = await enrol(collector, "a"), await enrol(collector, "a")
    known = fetch(collector.url, AGENTS)
    token = collector.token_again(agent.agent_id)
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await enrol(collector, "a", token, stay=str(other.agent_id))
    assert refusal.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    stay = str(agent.agent_id) if says_who_it_is else ""
    again = await enrol(collector, "a", token, stay=stay)  # the refusal has not spent it
    assert (again.agent_id, again.location) == (agent.agent_id, "a")
    assert again.certificate != agent.certificate
    assert fetch(collector.url, AGENTS) == known
    async with stream(collector, again) as delivery:
        await delivery.hello(new_incarnation())
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await enrol(collector, "a", token)
    assert refusal.value.code() == grpc.StatusCode.UNAUTHENTICATED


async def test_an_agent_does_not_become_another_by_mistake(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    known = fetch(collector.url, AGENTS)
    token = collector.token("a")
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await enrol(collector, "a", token, stay=str(agent.agent_id))
    assert refusal.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert "--replace" in (refusal.value.details() or "")
    assert fetch(collector.url, AGENTS) == known


async def test_a_bound_token_does_not_bring_a_revoked_agent_back(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    token = collector.token_again(agent.agent_id)
    execute(collector, "UPDATE vantage.agents SET revoked_at = now()")
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await enrol(collector, "a", token)
    assert refusal.value.code() == grpc.StatusCode.PERMISSION_DENIED
    with pytest.raises(CollectorError, match="vantage agent list"):
        collector.token_again(agent.agent_id)


async def test_a_stolen_token_makes_an_agent_of_its_own_location_once(
    own_collector: Collector,
) -> None:
    """Whoever comes second learns of it, and the operator sees the thief's agent."""
    token = own_collector.token("a")
    thief = await enrol(own_collector, "a", token)
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await enrol(own_collector, "a", token)
    assert "spent" in (refusal.value.details() or "")
    assert thief.location == "a"
    async with stream(own_collector, thief) as delivery:
        told = await delivery.read("assignments")
        assert told.assignments
        execute(own_collector, "UPDATE vantage.agents SET revoked_at = now()")
        await delivery.send(heartbeat=delivery_pb2.Heartbeat())
        assert await delivery.ended() == grpc.StatusCode.PERMISSION_DENIED


async def test_an_agent_renews_its_certificate(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    _, csr = signing_request()
    async with agent.channel(collector.port) as channel:
        renewed = await enrolment_pb2_grpc.RenewalStub(channel).Renew(
            enrolment_pb2.RenewRequest(csr=csr)
        )
    assert renewed.agent_id == str(agent.agent_id)
    expires_at = x509.load_pem_x509_certificate(renewed.certificate).not_valid_after_utc
    [row] = fetch(
        collector.url,
        "SELECT certificate_expires_at FROM vantage.agents WHERE id = %s",
        [agent.agent_id],
    )
    assert row["certificate_expires_at"] == expires_at


async def test_a_revoked_agent_cannot_renew(collector: Collector) -> None:
    agent = await enrol(collector, "a")
    execute(collector, "UPDATE vantage.agents SET revoked_at = now()")
    async with agent.channel(collector.port) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await enrolment_pb2_grpc.RenewalStub(channel).Renew(
                enrolment_pb2.RenewRequest(csr=signing_request()[1])
            )
    assert refusal.value.code() == grpc.StatusCode.PERMISSION_DENIED


async def test_a_stream_ends_at_the_first_heartbeat_after_its_certificate(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS looks at it when a connection is made, and never again."""
    agent = await enrol(collector, "a")
    issuer = authority.load_or_create(collector.directory / "authority")
    monkeypatch.setattr(authority, "LEAF_LIFE", timedelta(seconds=5))
    key, csr = signing_request()
    certificate, expires_at = issuer.issue_agent(csr, agent.agent_id)
    short = replace(agent, key=key, certificate=certificate)
    async with stream(collector, short) as delivery:
        await delivery.hello(new_incarnation())
        await delivery.send(heartbeat=delivery_pb2.Heartbeat(number=1))
        await delivery.read("heartbeat_reply")
        await asyncio.sleep((expires_at - datetime.now(UTC)).total_seconds() + 0.1)
        await delivery.send(heartbeat=delivery_pb2.Heartbeat(number=2))
        assert await delivery.ended() == grpc.StatusCode.UNAUTHENTICATED
        assert "expired" in await delivery.call.details()
    async with stream(collector, short) as delivery:
        assert await delivery.ended() == grpc.StatusCode.UNAVAILABLE  # by TLS


async def test_an_agent_of_another_database_is_told_to_enrol_anew(own_collector: Collector) -> None:
    agent = await enrol(own_collector, "a")
    execute(own_collector, "DELETE FROM vantage.agents")
    async with stream(own_collector, agent) as delivery:
        assert await delivery.ended() == grpc.StatusCode.PERMISSION_DENIED
        assert "vantage-agent join" in await delivery.call.details()


async def test_no_secret_is_logged(own_collector: Collector) -> None:
    token = own_collector.token("a")
    agent = await enrol(own_collector, "a", token)
    with pytest.raises(grpc.aio.AioRpcError):
        await enrol(own_collector, "a", token)
    async with stream(own_collector, agent) as delivery:
        await delivery.hello(new_incarnation())
    said = own_collector.program.said()
    assert "agent_enrolled" in said
    assert "enrolment_refused" in said
    assert token.partition(".")[0] not in said
