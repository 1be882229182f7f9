"""http and https, by libcurl: a transfer -> an exchange, and why it is no whole response."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from agent.content import Content
from agent.engine import Engine
from agent.failure import Code, curl_failure, status_failure
from agent.guard import Address
from agent.phases import last_phase, phases
from agent.request import proxy_target
from agent.result import Exchange, Failure, Request
from agent.schemes.scheme import Exchanged
from agent.transfer import MAX_BODY_BYTES, MAX_WIRE_BYTES, Transfer
from agent.visit import Visit
from vantage.url import Target


class Http:
    """Speaks HTTP in whichever version is asked for.

    ``visit``: whose connections are shared; None: every exchange has one of its own.
    """

    def __init__(self, engine: Engine, visit: Visit | None = None) -> None:
        self._engine = engine
        self._visit = visit

    async def exchange(
        self,
        target: Target,
        addresses: Sequence[Address],
        dns_us: int | None,
        timeout_us: int,
        request: Request,
        content: Content | None,
    ) -> Exchanged:
        transfer = await self._engine.exchange(
            target, addresses, timeout_us, request, content, visit=self._visit
        )
        exchange = exchange_of(target, dns_us, transfer)
        failure = failure_of(transfer, exchange)
        if request.proxy:
            exchange.target_port = proxy_target(request.proxy.url).port
            if transfer.http_status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
                failure = failure or Failure(Code.PROXY_REFUSED, status_failure(407).detail)
        return exchange, failure, transfer.location


def exchange_of(target: Target, dns_us: int | None, transfer: Transfer) -> Exchange:
    """Tell of a transfer that spoke HTTP."""
    handshake = transfer.handshake
    return Exchange(
        url=target.url,
        phases=phases(
            transfer.marks, dns_us=dns_us, is_tls=target.is_tls, is_reused=transfer.is_reused
        ),
        total_us=(dns_us or 0) + transfer.marks.total,
        http_status=transfer.http_status,
        http_version=transfer.http_version,
        header_bytes=transfer.header_bytes,
        body_bytes=transfer.body_bytes,
        target_ip=transfer.target_ip,
        target_port=target.port,
        local_ip=transfer.local_ip,
        rtt_us=transfer.rtt_us,
        doubt_us=transfer.doubt_us,
        cert_expires_at_us=handshake.chain.expires_at_us if handshake else None,
        handshake=handshake,
    )


def failure_of(transfer: Transfer, exchange: Exchange) -> Failure | None:
    """Tell why there is no whole response; what it says is judged later."""
    if transfer.is_too_large:
        detail = f"more than {MAX_WIRE_BYTES} bytes arrived, framing included"
        return Failure(Code.BODY_TOO_LARGE, detail)
    if transfer.error is not None:
        phase = last_phase(exchange.phases)
        if transfer.refusal is not None and phase == "connect":
            return Failure(Code.ADDRESS_FORBIDDEN, transfer.refusal)
        failure = curl_failure(transfer.error, phase)
        if failure.code == Code.BODY_TOO_LARGE:
            detail = f"more than {MAX_BODY_BYTES} bytes, as they came or decompressed"
            return Failure(failure.code, detail)
        return failure
    if transfer.http_status is None:
        return Failure(Code.HTTP_PROTOCOL, "the response has no status")
    return None
