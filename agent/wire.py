"""Result -> encoded message, message -> Assignment: the agent's one field mapping."""

from __future__ import annotations

from collections.abc import Iterable

from agent.result import Assignment, Exchange, Monitor, Outcome, Result
from vantage.v1 import monitor_pb2, result_pb2

_OUTCOMES = {
    Outcome.UP: result_pb2.OUTCOME_UP,
    Outcome.DEGRADED: result_pb2.OUTCOME_DEGRADED,
    Outcome.DOWN: result_pb2.OUTCOME_DOWN,
}


def encode(result: Result) -> bytes:
    """Encode a vantage.v1.Result, once and for all: these bytes are spooled and delivered."""
    failure = result.failure
    return result_pb2.Result(
        monitor_id=result.monitor_id,
        slot_at_us=result.slot_at_us,
        started_at_us=result.started_at_us,
        outcome=_OUTCOMES[result.outcome],
        failure=failure.code if failure else "",
        detail=_text(failure.detail) if failure else "",
        exchanges=[_exchange(exchange) for exchange in result.exchanges],
        redirect_us=result.redirect_us,
        total_us=result.total_us,
        delay_us=result.delay_us,
        lag_us=result.lag_us,
        suspect=result.suspect,
    ).SerializeToString()


def assignments(message: monitor_pb2.Assignments) -> list[Assignment]:
    """Read what the collector wants probed.

    Raises: ValueError naming the monitor whose interval cannot be scheduled.
    """
    return list(_assignments(message.assignments))


def _assignments(messages: Iterable[monitor_pb2.Assignment]) -> Iterable[Assignment]:
    for message in messages:
        monitor = message.monitor
        if not 0 <= message.offset_us < monitor.interval_us:
            raise ValueError(
                f"monitor {monitor.id} has interval_us={monitor.interval_us}"
                f" and offset_us={message.offset_us}; 0 <= offset_us < interval_us must hold"
            )
        yield Assignment(
            monitor=Monitor(
                id=monitor.id,
                url=monitor.url,
                interval_us=monitor.interval_us,
                timeout_us=monitor.timeout_us,
                slow_us=monitor.slow_us if monitor.HasField("slow_us") else None,
                max_redirects=monitor.max_redirects,
            ),
            offset_us=message.offset_us,
        )


def _exchange(exchange: Exchange) -> result_pb2.Exchange:
    phases = exchange.phases
    return result_pb2.Exchange(
        url=_text(exchange.url),
        phases=result_pb2.Phases(
            dns_us=phases.dns_us,
            connect_us=phases.connect_us,
            tls_us=phases.tls_us,
            send_us=phases.send_us,
            wait_us=phases.wait_us,
            receive_us=phases.receive_us,
        ),
        total_us=exchange.total_us,
        http_status=exchange.http_status,
        http_version=exchange.http_version,
        header_bytes=exchange.header_bytes,
        body_bytes=exchange.body_bytes,
        target_ip=exchange.target_ip,
        target_port=exchange.target_port,
        local_ip=exchange.local_ip,
        rtt_us=exchange.rtt_us,
        cert_expires_at_us=exchange.cert_expires_at_us,
    )


def _text(text: str) -> str:
    """Make text encodable: a target's own words may hold half a surrogate pair."""
    return text.encode("utf-8", "replace").decode("utf-8")
