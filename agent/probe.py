"""One monitor -> one result: look up, connect, ask, follow redirects, judge.

A target's failure is data, never an exception. Only cancellation leaves ``probe`` early.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path

from agent.authorities import Authorities
from agent.failure import Code, curl_failure, status_failure
from agent.guard import Address, Guard
from agent.lag import LagWatcher, is_suspect
from agent.phases import last_phase, phases
from agent.resolver import LookupFailed, Resolver
from agent.result import Exchange, Failure, Monitor, Outcome, Phases, Result
from agent.transfer import MAX_WIRE_BYTES, Engine, Transfer
from agent.url import Target, check_url, target_of


class Prober:
    """Probes any number of monitors at once; one per event loop.

    ``allow_networks``: exceptions to the guard. ``source_address``: the local address probes
    leave from. ``trust_ca``: PEM file of authorities beside the system's. ``resolver``: None: the
    machine's own configuration.
    """

    def __init__(
        self,
        *,
        allow_networks: Sequence[IPv4Network | IPv6Network] = (),
        source_address: str | None = None,
        trust_ca: Path | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        """Raises: FatalError when no certificate authorities are found, or trust_ca is unusable."""
        self._authorities = Authorities(trust_ca)
        self._guard = Guard(allow_networks)
        self._engine = Engine(self._guard, self._authorities.path, source_address)
        self._resolver = resolver or Resolver(families=_families(source_address))
        self._lag = LagWatcher()

    async def probe(
        self, monitor: Monitor, *, slot_at_us: int | None = None, delay_us: int = 0
    ) -> Result:
        """Probe ``monitor`` once. ``slot_at_us``: when it was due; None: now."""
        started_at_us = time.time_ns() // 1000
        with self._lag.watch() as watch:
            exchanges, redirect_us, failure = await self._follow(monitor)
        total_us = redirect_us + exchanges[-1].total_us
        outcome = Outcome.UP if failure is None else Outcome.DOWN
        if failure is None and monitor.slow_us is not None and total_us > monitor.slow_us:
            outcome = Outcome.DEGRADED
            detail = f"{total_us / 1000:.1f} ms, the limit is {monitor.slow_us / 1000:.1f} ms"
            failure = Failure(Code.TOO_SLOW, detail)
        return Result(
            monitor_id=monitor.id,
            slot_at_us=started_at_us if slot_at_us is None else slot_at_us,
            started_at_us=started_at_us,
            outcome=outcome,
            failure=failure,
            exchanges=tuple(exchanges),
            redirect_us=redirect_us,
            total_us=total_us,
            delay_us=delay_us,
            lag_us=watch.worst_us,
            suspect=is_suspect(watch.worst_us, total_us),
        )

    async def close(self) -> None:
        """End what is in flight, and free everything."""
        await self._engine.close()
        self._authorities.close()

    async def _follow(self, monitor: Monitor) -> tuple[list[Exchange], int, Failure | None]:
        """Make exchanges until one is not a redirect; also return the time before the last."""
        began_us = time.perf_counter_ns() // 1000
        exchanges: list[Exchange] = []
        redirect_us = 0
        url = monitor.url
        while True:
            exchange, failure, location = await self._exchange(
                url, monitor.timeout_us - redirect_us
            )
            exchanges.append(exchange)
            if failure is None and location and monitor.max_redirects:
                url, failure = _next_url(location, len(exchanges), monitor.max_redirects)
                if failure is None:
                    redirect_us = time.perf_counter_ns() // 1000 - began_us
                    continue
            return exchanges, redirect_us, failure

    async def _exchange(self, url: str, timeout_us: int) -> tuple[Exchange, Failure | None, str]:
        """Make one exchange; also return where it redirects to, empty: nowhere."""
        try:
            target = target_of(url)
        except ValueError as error:
            return Exchange(url, Phases(), 0), Failure(Code.URL_INVALID, str(error)), ""
        try:
            addresses, dns_us = await self._look_up(target, timeout_us)
        except LookupFailed as error:
            return _unconnected(target, error.elapsed_us), error.failure, ""
        refusals = {address: self._guard.refusal(address) for address in addresses}
        permitted = [address for address, refusal in refusals.items() if refusal is None]
        if not permitted:
            failure = Failure(Code.ADDRESS_FORBIDDEN, refusals[addresses[0]] or "")
            return _unconnected(target, dns_us, addresses[0]), failure, ""
        left_us = timeout_us - (dns_us or 0)
        transfer = await self._engine.exchange(target, permitted, left_us)
        exchange = _exchange_of(target, dns_us, transfer)
        return exchange, _failure(transfer, exchange), transfer.location

    async def _look_up(
        self, target: Target, timeout_us: int
    ) -> tuple[Sequence[Address], int | None]:
        if target.address is not None:
            return (target.address,), None
        answer = await self._resolver.resolve(target.host, timeout_s=max(timeout_us, 1000) / 1e6)
        return answer.addresses, answer.elapsed_us


def _families(source_address: str | None) -> tuple[socket.AddressFamily, ...] | None:
    """Limit names to the family that the source address can reach; None: no limit."""
    if source_address is None:
        return None
    is_v4 = ip_address(source_address).version == 4
    return (socket.AF_INET if is_v4 else socket.AF_INET6,)


def _next_url(location: str, followed: int, limit: int) -> tuple[str, Failure | None]:
    if followed > limit:
        detail = f"the limit is {limit}; the next would lead to {location}"
        return "", Failure(Code.TOO_MANY_REDIRECTS, detail)
    try:
        return check_url(location), None
    except ValueError as error:
        return "", Failure(Code.REDIRECT_INVALID, str(error))


def _unconnected(target: Target, dns_us: int | None, address: Address | None = None) -> Exchange:
    return Exchange(
        target.url,
        Phases(dns_us=dns_us),
        dns_us or 0,
        target_ip=address.packed if address else b"",
        target_port=target.port,
    )


def _exchange_of(target: Target, dns_us: int | None, transfer: Transfer) -> Exchange:
    return Exchange(
        url=target.url,
        phases=phases(transfer.marks, dns_us=dns_us, is_tls=target.is_tls),
        total_us=(dns_us or 0) + transfer.marks.total,
        http_status=transfer.http_status,
        http_version=transfer.http_version,
        header_bytes=transfer.header_bytes,
        body_bytes=transfer.body_bytes,
        target_ip=transfer.target_ip,
        target_port=target.port,
        local_ip=transfer.local_ip,
        rtt_us=transfer.rtt_us,
        cert_expires_at_us=transfer.cert_expires_at_us,
    )


def _failure(transfer: Transfer, exchange: Exchange) -> Failure | None:
    """Judge one exchange; a redirect is no failure."""
    if transfer.is_too_large:
        detail = f"more than {MAX_WIRE_BYTES} bytes arrived, framing included"
        return Failure(Code.BODY_TOO_LARGE, detail)
    if transfer.error is not None:
        phase = last_phase(exchange.phases)
        if transfer.refusal is not None and phase == "connect":
            return Failure(Code.ADDRESS_FORBIDDEN, transfer.refusal)
        return curl_failure(transfer.error, phase)
    status = transfer.http_status
    if status is None:
        return Failure(Code.HTTP_PROTOCOL, "the response has no status")
    return None if 200 <= status < 400 else status_failure(status)
