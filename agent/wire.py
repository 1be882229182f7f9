"""Result or missed slots -> encoded message, message -> Assignment: the one field mapping."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from google.protobuf.message import DecodeError

from agent.missed import Missed
from agent.needed import load_needed
from agent.request import check_request
from agent.resolv_conf import parse_server
from agent.result import (
    Assertion,
    Assignment,
    Exchange,
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

# The year 2100: no slot of a sound agent lies beyond.
_FAR_OFF_US = 4_102_444_800_000_000

# No collector keeps more of a text, and a page can name a URL of any length.
_TEXT_MAX = 2048

_OUTCOMES = {
    Outcome.UP: result_pb2.OUTCOME_UP,
    Outcome.DEGRADED: result_pb2.OUTCOME_DEGRADED,
    Outcome.DOWN: result_pb2.OUTCOME_DOWN,
}
_ROLES = {
    Role.HOP: result_pb2.EXCHANGE_ROLE_HOP,
    Role.PAIR: result_pb2.EXCHANGE_ROLE_PAIR,
    Role.RESOURCE: result_pb2.EXCHANGE_ROLE_RESOURCE,
}


def encode(result: Result) -> bytes:
    """Encode a vantage.v1.Result, once and for all: these bytes are spooled and delivered.

    Field by field, which takes a third of the time that handing them to the constructor does.
    """
    message = result_pb2.Result()
    message.monitor_id = result.monitor_id
    message.slot_at_us = result.slot_at_us
    message.started_at_us = result.started_at_us
    message.outcome = _OUTCOMES[result.outcome]
    if result.failure is not None:
        message.failure = result.failure.code
        message.detail = _text(result.failure.detail)
    for exchange in result.exchanges:
        _put_exchange(exchange, message.exchanges.add())
    message.redirect_us = result.redirect_us
    message.total_us = result.total_us
    message.delay_us = result.delay_us
    message.lag_us = result.lag_us
    message.suspect = result.suspect
    message.is_extra = result.is_extra
    if result.resources_us is not None:
        message.resources_us = result.resources_us
    if result.handshake is not None:
        message.handshake.tls_version = result.handshake.version
        message.handshake.tls_cipher = result.handshake.cipher
        message.handshake.chain.extend(result.handshake.chain.certificates)
    encoded = message.SerializeToString()
    if len(encoded) > MAX_PAYLOAD_BYTES:  # a page of hundreds of resources, all with long URLs
        kept = [
            each for each in message.exchanges if each.role != result_pb2.EXCHANGE_ROLE_RESOURCE
        ]
        del message.exchanges[:]
        message.exchanges.extend(kept)
        encoded = message.SerializeToString()
    return encoded


def encode_missed(missed: Missed) -> bytes:
    """Encode missed slots as a vantage.v1.Result that holds nothing measured."""
    return result_pb2.Result(
        monitor_id=missed.monitor_id,
        missed=result_pb2.MissedSlots(
            from_slot_at_us=missed.from_us,
            to_slot_at_us=missed.to_us,
            slots=missed.slots,
            reason=missed.reason.value,
            detail=missed.detail,
        ),
    ).SerializeToString()


def encode_dropped(dropped: Dropped) -> list[bytes]:
    """Say which slots were lost with results that the spool dropped; missed ones stay told.

    One record for each monitor and reason: what tells of lost slots must not fill the spool itself.
    """
    lost: dict[tuple[int, str, str], result_pb2.MissedSlots] = {}
    for payload in dropped.payloads:
        try:
            message = result_pb2.Result.FromString(payload)
        except DecodeError:
            continue
        slots = message.missed
        if not message.HasField("missed"):
            if message.is_extra or not 0 < message.slot_at_us < _FAR_OFF_US:
                continue
            slots.from_slot_at_us = slots.to_slot_at_us = message.slot_at_us
            slots.slots, slots.reason = 1, dropped.reason.value
        key = (message.monitor_id, slots.reason, slots.detail)
        _join(lost.setdefault(key, slots), slots)
    return [
        result_pb2.Result(monitor_id=monitor_id, missed=slots).SerializeToString()
        for (monitor_id, _, _), slots in lost.items()
    ]


def _join(slots: result_pb2.MissedSlots, others: result_pb2.MissedSlots) -> None:
    """Add others to slots missed, in place."""
    if slots is others:
        return
    slots.from_slot_at_us = min(slots.from_slot_at_us, others.from_slot_at_us)
    slots.to_slot_at_us = max(slots.to_slot_at_us, others.to_slot_at_us)
    span_s = (slots.to_slot_at_us - slots.from_slot_at_us) // 1_000_000
    # A clock that was set back can make the same slots twice.
    slots.slots = min(slots.slots + others.slots, span_s + 1)


@dataclass(frozen=True, slots=True)
class Assigned:
    """What the collector wants probed; ``unusable``: why, by monitor, some of it cannot be.

    An unusable one with sound slots is assigned all the same, so that each is told as missed.
    """

    assignments: list[Assignment]
    unusable: dict[int, str]


def assignments(message: monitor_pb2.Assignments) -> Assigned:
    """Read what the collector wants probed; what is wrong with one monitor is no other's fault.

    What a monitor needs to be probed is loaded: not to be called in a loop that probes.
    """
    assigned = Assigned([], {})
    for each in message.assignments:
        monitor, problem = each.monitor, ""
        if not 0 <= each.offset_us < monitor.interval_us:
            assigned.unusable[monitor.id] = (
                f"interval_us={monitor.interval_us} and offset_us={each.offset_us};"
                " 0 <= offset_us < interval_us must hold"
            )
            continue
        try:
            probed = _monitor(monitor)
            load_needed(probed)
        except ValueError as error:
            probed = Monitor(monitor.id, monitor.url, monitor.interval_us)
            problem = assigned.unusable[monitor.id] = str(error)
        assigned.assignments.append(
            Assignment(
                probed,
                each.offset_us,
                from_us=each.from_slot_us or None,
                until_us=each.until_slot_us or None,
                problem=problem,
            )
        )
    return assigned


def _monitor(message: monitor_pb2.Monitor) -> Monitor:
    """Raise ValueError, saying why, for a monitor that this agent cannot probe."""
    if message.ip_version not in (0, 4, 6):
        raise ValueError(f"The IP version {message.ip_version} is none of 4 and 6.")
    if message.kind not in ("", "request", "page"):
        raise ValueError(f"The kind {message.kind!r} is not known to this agent; update it.")
    if message.connect_to:
        ip_address(message.connect_to)
    return Monitor(
        id=message.id,
        url=message.url,
        interval_us=message.interval_us,
        timeout_us=message.timeout_us,
        slow_us=message.slow_us if message.HasField("slow_us") else None,
        max_redirects=message.max_redirects,
        request=_request(message.request),
        ip_version=message.ip_version,
        is_paired=message.is_paired,
        connect_to=message.connect_to,
        name_server=parse_server(message.name_server) if message.name_server else None,
        assertions=tuple(map(_assertion, message.assertions)),
        kind=message.kind or "request",
    )


def _request(message: monitor_pb2.Request) -> Request:
    request = Request(
        method=message.method or "GET",
        headers=tuple((header.name, header.value) for header in message.headers),
        body=message.body,
        http_version=message.http_version,
        is_insecure=message.is_insecure,
        is_uncompressed=message.is_uncompressed,
        secret_headers=tuple((header.name, header.value) for header in message.secret_headers),
        client_certificate=message.client_certificate.encode(),
        client_key=message.client_key.encode(),
        authority=message.authority.encode(),
        proxy=_proxy(message),
        phase_timeouts=_phase_timeouts(message),
    )
    check_request(request)
    return request


def _proxy(message: monitor_pb2.Request) -> Proxy | None:
    if not message.proxy:
        return None
    return Proxy(message.proxy, message.proxy_username, message.proxy_password)


def _phase_timeouts(message: monitor_pb2.Request) -> Phases | None:
    if not message.HasField("phase_timeouts"):
        return None
    limits = message.phase_timeouts
    return Phases(**{each.name: value for each, value in limits.ListFields()})


def without_secrets(message: monitor_pb2.Assignments) -> monitor_pb2.Assignments:
    """Return what may be written to disk: the assignments of monitors that have no secrets."""
    kept = [each for each in message.assignments if not _has_secrets(each.monitor.request)]
    return monitor_pb2.Assignments(assignments=kept, is_shared=message.is_shared)


def _has_secrets(request: monitor_pb2.Request) -> bool:
    return bool(request.secret_headers or request.client_key or request.proxy_password)


def _assertion(message: monitor_pb2.Assertion) -> Assertion:
    return Assertion(
        kind=message.kind,
        name=message.name,
        expected=message.expected,
        at_least=message.at_least if message.HasField("at_least") else None,
        at_most=message.at_most if message.HasField("at_most") else None,
        degrades=message.degrades,
    )


def _put_exchange(exchange: Exchange, message: result_pb2.Exchange) -> None:
    message.url = _text(exchange.url)
    _put_phases(exchange.phases, message.phases)
    message.total_us = exchange.total_us
    if exchange.http_status is not None:
        message.http_status = exchange.http_status
    message.http_version = exchange.http_version
    message.header_bytes = exchange.header_bytes
    message.body_bytes = exchange.body_bytes
    message.target_ip = exchange.target_ip
    message.target_port = exchange.target_port
    message.local_ip = exchange.local_ip
    if exchange.rtt_us is not None:
        message.rtt_us = exchange.rtt_us
    if exchange.cert_expires_at_us is not None:
        message.cert_expires_at_us = exchange.cert_expires_at_us
    if exchange.pings is not None:
        _put_pings(exchange.pings, message)
    message.answer = _text(exchange.answer)
    message.role = _ROLES[exchange.role]
    message.resource = exchange.resource
    message.start_us = exchange.start_us
    if exchange.outcome is not None:
        message.outcome = _OUTCOMES[exchange.outcome]
    if exchange.failure is not None:
        message.failure = exchange.failure.code
        message.detail = _text(exchange.failure.detail)


def _put_pings(pings: Pings, message: result_pb2.Exchange) -> None:
    message.pings_sent = pings.sent
    message.pings_received = pings.received
    if pings.min_us is not None:
        message.ping_min_us = pings.min_us
    if pings.max_us is not None:
        message.ping_max_us = pings.max_us


def _put_phases(phases: Phases, message: result_pb2.Phases) -> None:
    """Leave out what was not reached; 0 was."""
    message.SetInParent()
    if phases.dns_us is not None:
        message.dns_us = phases.dns_us
    if phases.connect_us is not None:
        message.connect_us = phases.connect_us
    if phases.tls_us is not None:
        message.tls_us = phases.tls_us
    if phases.send_us is not None:
        message.send_us = phases.send_us
    if phases.wait_us is not None:
        message.wait_us = phases.wait_us
    if phases.receive_us is not None:
        message.receive_us = phases.receive_us


def _text(text: str) -> str:
    """Make text encodable: a target's own words may hold half a surrogate pair, and be long."""
    text = text[:_TEXT_MAX]
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")
