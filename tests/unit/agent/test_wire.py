from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import wire
from agent.hole import Loss
from agent.missed import Missed, Reason
from agent.result import (
    Assertion,
    Chain,
    Exchange,
    Failure,
    Handshake,
    Monitor,
    Outcome,
    Phases,
    Pings,
    Proxy,
    Request,
    Result,
    Role,
)
from agent.segment import MAX_PAYLOAD_BYTES
from agent.spool import Dropped
from vantage.v1 import monitor_pb2, result_pb2

# Zero often: it must never be taken for nothing.
INT32 = st.just(0) | st.integers(0, 2**31 - 1)
INT64 = st.just(0) | st.integers(0, 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
ADDRESS = st.one_of(st.just(b""), st.binary(min_size=4, max_size=4), st.binary(min_size=16))

PHASES = st.builds(Phases, **{f.name: st.none() | INT32 for f in fields(Phases)})
FAILURE = st.none() | st.builds(Failure, code=TEXT.filter(bool), detail=TEXT)
PINGS = st.builds(
    Pings, sent=INT32, received=INT32, min_us=st.none() | INT32, max_us=st.none() | INT32
)
EXCHANGE = st.builds(
    Exchange,
    url=TEXT,
    phases=PHASES,
    total_us=INT32,
    http_status=st.none() | INT32,
    http_version=st.sampled_from(["", "1.0", "1.1", "2", "3"]),
    header_bytes=INT32,
    body_bytes=INT64,
    target_ip=ADDRESS,
    target_port=INT32,
    local_ip=ADDRESS,
    rtt_us=st.none() | INT32,
    cert_expires_at_us=st.none() | INT64,
    role=st.sampled_from(Role),
    start_us=INT32,
    outcome=st.none() | st.sampled_from(Outcome),
    resource=TEXT,
    failure=FAILURE,
    answer=TEXT,
    pings=st.none() | PINGS,
)
HANDSHAKE = st.builds(
    Handshake,
    version=TEXT,
    cipher=TEXT,
    # What is computed from the certificates is no part of a message.
    chain=st.builds(
        Chain,
        certificates=st.lists(st.binary(), min_size=1).map(tuple),
        sha256=st.just(b""),
        expires_at_us=st.none(),
    ),
)
RESULT = st.builds(
    Result,
    monitor_id=INT32,
    slot_at_us=INT64,
    started_at_us=INT64,
    outcome=st.sampled_from(Outcome),
    failure=FAILURE,
    exchanges=st.lists(EXCHANGE, min_size=1, max_size=3).map(tuple),
    redirect_us=INT32,
    total_us=INT32,
    delay_us=INT32,
    lag_us=INT32,
    suspect=st.booleans(),
    is_extra=st.booleans(),
    handshake=st.none() | HANDSHAKE,
    resources_us=st.none() | INT32,
)


def optional(message: object, name: str) -> object:
    return getattr(message, name) if message.HasField(name) else None  # type: ignore[attr-defined]


def exchange_of(message: result_pb2.Exchange) -> Exchange:
    names = {f.name for f in fields(Exchange)} - {"handshake", "pings", "doubt_us"}
    values = {name: getattr(message, name) for name in names}
    for name in ("http_status", "rtt_us", "cert_expires_at_us"):
        values[name] = optional(message, name)
    values["phases"] = Phases(
        **{f.name: optional(message.phases, f.name) for f in fields(Phases)}  # type: ignore[arg-type]
    )
    role = result_pb2.ExchangeRole.Name(message.role)
    values["role"] = Role(role.removeprefix("EXCHANGE_ROLE_").lower())
    values["outcome"] = outcome_of(message.outcome) if message.outcome else None
    values["failure"] = Failure(message.failure, message.detail) if message.failure else None
    if (sent := optional(message, "pings_sent")) is not None:
        bounds = optional(message, "ping_min_us"), optional(message, "ping_max_us")
        values["pings"] = Pings(sent, message.pings_received, *bounds)  # type: ignore[arg-type]
    return Exchange(**values)


def outcome_of(number: result_pb2.Outcome.ValueType) -> Outcome:
    return Outcome(result_pb2.Outcome.Name(number).removeprefix("OUTCOME_").lower())


def result_of(message: result_pb2.Result) -> Result:
    values = {f.name: getattr(message, f.name) for f in fields(Result)}
    values["outcome"] = outcome_of(message.outcome)
    values["failure"] = Failure(message.failure, message.detail) if message.failure else None
    values["exchanges"] = tuple(map(exchange_of, message.exchanges))
    if (shown := optional(message, "handshake")) is not None:
        chain = Chain(tuple(message.handshake.chain), b"", None)
        shown = Handshake(message.handshake.tls_version, message.handshake.tls_cipher, chain)
    values["handshake"] = shown
    values["resources_us"] = optional(message, "resources_us")
    return Result(**values)


@given(RESULT)
def test_every_field_survives(result: Result) -> None:
    assert result_of(result_pb2.Result.FromString(wire.encode(result))) == result


def test_not_reached_differs_from_measured_zero() -> None:
    exchange = Exchange("http://x/", Phases(dns_us=None, connect_us=0), 0, rtt_us=0)
    result = Result(1, 2, 3, Outcome.UP, None, (exchange,), 0, 0)
    message = result_pb2.Result.FromString(wire.encode(result)).exchanges[0]
    assert not message.phases.HasField("dns_us")
    assert message.phases.HasField("connect_us")
    assert message.HasField("rtt_us")
    assert not message.HasField("cert_expires_at_us")


def test_half_a_surrogate_pair_is_replaced() -> None:
    exchange = Exchange("http://x/\ud800", Phases(), 0)
    failure = Failure("http_status", "\udfff")
    result = Result(1, 2, 3, Outcome.DOWN, failure, (exchange,), 0, 0)
    message = result_pb2.Result.FromString(wire.encode(result))
    assert (message.detail, message.exchanges[0].url) == ("?", "http://x/?")


def test_every_message_field_is_mapped() -> None:
    names = {f.name for f in result_pb2.Result.DESCRIPTOR.fields}
    assert names == {f.name for f in fields(Result)} | {"detail", "missed"}
    names = {f.name for f in result_pb2.Exchange.DESCRIPTOR.fields}
    pings = {"pings_sent", "pings_received", "ping_min_us", "ping_max_us"}
    ours = {f.name for f in fields(Exchange)} - {"handshake", "pings", "doubt_us"}
    assert names == ours | pings | {"detail"}


ASSERTION = st.builds(
    Assertion,
    kind=TEXT,
    name=TEXT,
    expected=TEXT,
    at_least=st.none() | INT64,
    at_most=st.none() | INT64,
    degrades=st.booleans(),
)
REQUEST = st.builds(
    Request,
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    headers=st.lists(st.tuples(st.just("X-A"), st.just("ü") | st.just("")), max_size=2).map(tuple),
    body=st.binary(max_size=20),
    http_version=st.sampled_from(["", "1.1", "2", "3"]),
    is_insecure=st.booleans(),
    is_uncompressed=st.booleans(),
    secret_headers=st.sampled_from([(), (("Authorization", "Bearer x"),)]),
    client_certificate=st.just(b"certificate"),
    client_key=st.just(b"key"),
    authority=st.sampled_from([b"", b"authority"]),
    proxy=st.sampled_from([None, Proxy("http://p:1"), Proxy("socks5h://[::1]:1", "me", "word")]),
    phase_timeouts=st.none() | PHASES,
)


@given(REQUEST, st.lists(ASSERTION, max_size=3).map(tuple), st.sampled_from([0, 4, 6]))
def test_what_is_asked_and_expected_survives(
    request: Request, assertions: tuple[Assertion, ...], ip_version: int
) -> None:
    message = monitor_pb2.Monitor(
        id=7,
        interval_us=1,
        request=monitor_pb2.Request(
            method=request.method,
            headers=[monitor_pb2.Header(name=n, value=v) for n, v in request.headers],
            body=request.body,
            http_version=request.http_version,
            is_insecure=request.is_insecure,
            is_uncompressed=request.is_uncompressed,
            secret_headers=[monitor_pb2.Header(name=n, value=v) for n, v in request.secret_headers],
            client_certificate=request.client_certificate.decode(),
            client_key=request.client_key.decode(),
            authority=request.authority.decode(),
            proxy=request.proxy.url if request.proxy else "",
            proxy_username=request.proxy.username if request.proxy else "",
            proxy_password=request.proxy.password if request.proxy else "",
            phase_timeouts=monitor_pb2.PhaseTimeouts(**asdict(request.phase_timeouts))
            if request.phase_timeouts
            else None,
        ),
        ip_version=ip_version,
        is_paired=True,
        connect_to="::1",
        name_server="[::1]:5353",
        kind="page",
        assertions=[
            monitor_pb2.Assertion(**{f.name: getattr(each, f.name) for f in fields(Assertion)})
            for each in assertions
        ],
    )
    encoded = monitor_pb2.Assignments(assignments=[monitor_pb2.Assignment(monitor=message)])
    decoded = monitor_pb2.Assignments.FromString(encoded.SerializeToString())
    [assignment] = wire.assignments(decoded).assignments
    monitor = assignment.monitor
    assert (monitor.request, monitor.assertions) == (request, assertions)
    assert (monitor.ip_version, monitor.is_paired, monitor.kind) == (ip_version, True, "page")
    assert (monitor.connect_to, monitor.name_server) == ("::1", ("::1", 5353))
    kept = wire.without_secrets(decoded)
    assert len(kept.assignments) == 0
    assert b"key" in encoded.SerializeToString()


def test_what_is_kept_on_disk_is_what_has_no_secret() -> None:
    open_one = monitor_pb2.Monitor(id=1, interval_us=1)
    secrets = [
        {"secret_headers": [monitor_pb2.Header(name="A", value="b")]},
        {"client_certificate": "c", "client_key": "k"},
        {"proxy": "http://p:1", "proxy_username": "me", "proxy_password": "word"},
    ]
    monitors = [open_one] + [
        monitor_pb2.Monitor(id=7, interval_us=1, request=monitor_pb2.Request(**each))  # type: ignore[arg-type]
        for each in secrets
    ]
    message = monitor_pb2.Assignments(
        assignments=[monitor_pb2.Assignment(monitor=each) for each in monitors]
    )
    assert [each.monitor for each in wire.without_secrets(message).assignments] == [open_one]


def test_an_older_collector_asks_for_a_plain_get() -> None:
    message = monitor_pb2.Assignment(monitor=monitor_pb2.Monitor(id=7, interval_us=1))
    [assignment] = wire.assignments(monitor_pb2.Assignments(assignments=[message])).assignments
    assert assignment.monitor.request == Request()
    assert assignment.monitor.assertions == ()


def test_every_field_of_a_monitor_is_mapped() -> None:
    for message, ours in (
        (monitor_pb2.Monitor, Monitor),
        (monitor_pb2.Request, Request),
        (monitor_pb2.PhaseTimeouts, Phases),
        (monitor_pb2.Assertion, Assertion),
    ):
        names = {field.name for field in message.DESCRIPTOR.fields}
        names -= {"proxy_username", "proxy_password"}
        assert names == {field.name for field in fields(ours)}


@pytest.mark.parametrize(
    "asked",
    [
        {"method": "BREW"},
        {"http_version": "4"},
        {"method": "HEAD", "body": b"x"},
        {"headers": [{"name": "A", "value": "x\r\nB: y"}]},
        {"headers": [{"name": "Content-Length", "value": "1"}]},
        {"secret_headers": [{"name": "A", "value": "x\nB: y"}]},
        {"client_key": "a key without its certificate"},
        {"proxy": "ftp://proxy.example:21"},
        {"proxy": "http://me:word@proxy.example:3128"},
        {"proxy": "http://proxy.example"},
    ],
    ids=str,
)
def test_a_request_that_cannot_be_made_is_refused(asked: dict[str, object]) -> None:
    request = monitor_pb2.Request(**asked)  # type: ignore[arg-type]
    message = monitor_pb2.Assignment(
        monitor=monitor_pb2.Monitor(id=7, interval_us=1, request=request)
    )
    assert_unusable(message)


@pytest.mark.parametrize(
    "odd", [{"ip_version": -1}, {"ip_version": 5}, {"kind": "of a later version"},
            {"connect_to": "nowhere"}, {"name_server": "ns:x"}], ids=str
)  # fmt: skip
def test_terms_that_make_no_sense_are_refused(odd: dict[str, object]) -> None:
    monitor = monitor_pb2.Monitor(id=7, interval_us=1, **odd)  # type: ignore[arg-type]
    assert_unusable(monitor_pb2.Assignment(monitor=monitor))


def assert_unusable(message: monitor_pb2.Assignment) -> None:
    """Its slots are there to be missed, saying why, and other monitors are probed."""
    good = monitor_pb2.Assignment(monitor=monitor_pb2.Monitor(id=8, interval_us=1))
    assigned = wire.assignments(monitor_pb2.Assignments(assignments=[message, good]))
    refused, probed = assigned.assignments
    assert (refused.monitor.id, refused.offset_us) == (7, message.offset_us)
    assert refused.problem
    assert assigned.unusable == {7: refused.problem}
    assert (probed.monitor.id, probed.problem) == (8, "")


@given(
    monitor_id=INT32,
    url=TEXT,
    interval_us=st.integers(1, 2**40),
    timeout_us=INT64,
    slow_us=st.none() | INT64,
    max_redirects=INT32,
    data=st.data(),
)
def test_assignments_survive(
    monitor_id: int,
    url: str,
    interval_us: int,
    timeout_us: int,
    slow_us: int | None,
    max_redirects: int,
    data: st.DataObject,
) -> None:
    offset_us = data.draw(st.integers(0, interval_us - 1))
    message = monitor_pb2.Assignment(
        monitor=monitor_pb2.Monitor(
            id=monitor_id,
            url=url,
            interval_us=interval_us,
            timeout_us=timeout_us,
            slow_us=slow_us,
            max_redirects=max_redirects,
        ),
        offset_us=offset_us,
    )
    [assignment] = wire.assignments(monitor_pb2.Assignments(assignments=[message])).assignments
    monitor = assignment.monitor
    assert (monitor.id, monitor.url, monitor.interval_us) == (monitor_id, url, interval_us)
    assert (monitor.timeout_us, monitor.slow_us) == (timeout_us, slow_us)
    assert (monitor.max_redirects, assignment.offset_us) == (max_redirects, offset_us)


@pytest.mark.parametrize(("interval_us", "offset_us"), [(0, 0), (-1, 0), (10, 10), (10, -1)])
def test_an_impossible_rhythm_is_refused(interval_us: int, offset_us: int) -> None:
    monitor = monitor_pb2.Monitor(id=7, interval_us=interval_us)
    message = monitor_pb2.Assignment(monitor=monitor, offset_us=offset_us)
    good = monitor_pb2.Assignment(monitor=monitor_pb2.Monitor(id=8, interval_us=1))
    assigned = wire.assignments(monitor_pb2.Assignments(assignments=[message, good]))
    assert [each.monitor.id for each in assigned.assignments] == [8]
    assert "interval_us" in assigned.unusable[7]


def test_missed_slots_are_told_in_place_of_a_result() -> None:
    missed = Missed(7, 1_000_000, 9_000_000, 5, 2_000_000, Reason.OVERLAP, "why")
    message = result_pb2.Result.FromString(wire.encode_missed(missed))
    assert (message.monitor_id, message.missed.slots) == (7, 5)
    assert (message.missed.from_slot_at_us, message.missed.to_slot_at_us) == (1_000_000, 9_000_000)
    assert (message.missed.reason, message.missed.detail) == ("overlap", "why")


def test_what_was_dropped_is_told_once_for_each_monitor_and_reason() -> None:
    def result(monitor_id: int, slot_at_us: int, **fields: Any) -> bytes:
        message = result_pb2.Result(monitor_id=monitor_id, slot_at_us=slot_at_us, **fields)
        return message.SerializeToString()

    payloads = [
        result(1, 1_000_000),
        result(2, 1_500_000),
        wire.encode_missed(Missed(1, 2_000_000, 3_000_000, 2, 1_000_000, Reason.OVERLAP)),
        result(1, 4_000_000),
        result(1, 4_100_000, is_extra=True),
        b"\xff\xff",
        wire.encode_missed(Missed(1, 6_000_000, 6_000_000, 1, 1_000_000, Reason.OVERLAP)),
    ]
    dropped = Dropped(Loss.SPOOL_FULL, payloads)
    messages = map(result_pb2.Result.FromString, wire.encode_dropped(dropped))
    told = {
        (message.monitor_id, message.missed.reason): (
            message.missed.from_slot_at_us,
            message.missed.to_slot_at_us,
            message.missed.slots,
        )
        for message in messages
    }
    assert told == {
        (1, "spool_full"): (1_000_000, 4_000_000, 2),
        (2, "spool_full"): (1_500_000, 1_500_000, 1),
        (1, "overlap"): (2_000_000, 6_000_000, 3),
    }
    again = Dropped(Loss.SPOOL_FULL, wire.encode_dropped(dropped))
    assert wire.encode_dropped(again) == again.payloads


@pytest.mark.parametrize("length", [2_048, 1_000_000])
def test_no_page_makes_a_result_too_large_for_the_spool(length: int) -> None:
    hop = Exchange(url="http://a.example/", phases=Phases(wait_us=5), total_us=5)
    url = "http://a.example/" + "x" * length
    asked = Exchange(url=url, phases=Phases(), total_us=0, role=Role.RESOURCE, resource="image")
    for resources in (3, 300):
        result = Result(
            monitor_id=1,
            slot_at_us=1,
            started_at_us=1,
            outcome=Outcome.UP,
            failure=None,
            exchanges=(*[asked] * resources, hop),
            redirect_us=0,
            total_us=5,
            delay_us=0,
            lag_us=0,
        )
        encoded = wire.encode(result)
        assert len(encoded) <= MAX_PAYLOAD_BYTES
        found = result_pb2.Result.FromString(encoded).exchanges
        assert len(found) == (4 if resources == 3 else 1)
        assert found[-1].url == hop.url
        assert {each.url for each in found[:-1]} <= {url[:2_048]}
