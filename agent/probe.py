"""One monitor -> one result: look up, connect, ask, follow redirects, judge.

A target's failure is data, never an exception. Only cancellation leaves ``probe`` early.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path

from agent.assertion import Finding, Found, is_slow, judge, needs_content
from agent.authorities import Authorities
from agent.content import Content
from agent.destination import Destinations, Finder, Forbidden, Remembered
from agent.engine import Engine
from agent.failure import Code, status_failure
from agent.guard import Address, Guard
from agent.lag import LagWatcher, held_up_us, is_suspect
from agent.page import BYTES_MAX, Page, failed
from agent.pair import Run, paired
from agent.request import redirected
from agent.resolver import LookupFailed, Resolver
from agent.resources import RESOURCES_MAX
from agent.result import Exchange, Failure, Monitor, Outcome, Phases, Request, Result
from agent.schemes.dns import Dns
from agent.schemes.http import Http
from agent.schemes.icmp import Icmp
from agent.schemes.scheme import Exchanged, Scheme
from agent.schemes.stream import Stream
from agent.schemes.websocket import WebSocket
from agent.sightings import Sightings
from agent.visit import Visit
from vantage.scheme import GREETING, HTTP, WEBSOCKET
from vantage.url import Target, check_url, target_of

# The database keeps 2048 characters.
_DETAIL_MAX = 2000


@dataclass(frozen=True, slots=True)
class Way:
    """How exchanges are made: whom addresses are asked of, what each URL scheme is spoken by."""

    schemes: Mapping[str, Scheme]
    destinations: Finder


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
        self._schemes: dict[str, Scheme] = {
            **dict.fromkeys(HTTP, Http(self._engine)),
            **dict.fromkeys(WEBSOCKET, WebSocket(self._engine)),
            **dict.fromkeys(("tcp", "tls", *GREETING), Stream(self._engine)),
            "dns": Dns(source_address),
            "icmp": Icmp(source_address),
        }
        destinations = Destinations(self._guard, resolver, _families(source_address))
        self._way = Way(self._schemes, destinations)
        self._pages = Engine(self._guard, self._authorities.path, source_address, is_for_pages=True)
        self._lag = LagWatcher()
        self._sightings = Sightings()

    async def probe(
        self, monitor: Monitor, *, slot_at_us: int | None = None, delay_us: int = 0
    ) -> Result:
        """Probe ``monitor`` once. ``slot_at_us``: when it was due; None: now."""
        started_at_us = time.time_ns() // 1000
        watched = self._lag.begin()
        try:
            if monitor.kind == "page":
                runs = [await self._visit(monitor)]
            elif monitor.is_paired:
                runs = await asyncio.gather(
                    *(self._follow(monitor, each, self._way) for each in (4, 6))
                )
            else:
                runs = [await self._follow(monitor, monitor.ip_version, self._way)]
        finally:
            lag = self._lag.end(watched)
        doubts = [each.doubt_us for run in runs for each in (*run.exchanges, *run.resources)]
        if monitor.kind == "page":
            # What lies between its exchanges is by the clock.
            doubts.append(None)
        lag_us = held_up_us(lag, doubts)
        for run in runs:
            if run.failure is None:
                findings = await _findings(monitor, run, started_at_us)
                run.outcome, run.failure = _verdict(findings)
        run = runs[0] if len(runs) == 1 else paired(*runs)
        total_us = run.total_us
        return Result(
            monitor_id=monitor.id,
            slot_at_us=started_at_us if slot_at_us is None else slot_at_us,
            started_at_us=started_at_us,
            outcome=run.outcome,
            failure=run.failure,
            exchanges=(*run.resources, *run.exchanges),
            redirect_us=run.redirect_us,
            total_us=total_us,
            delay_us=delay_us,
            lag_us=lag_us,
            suspect=is_suspect(lag_us, total_us),
            handshake=self._sightings.news(monitor.id, run.exchanges[-1].handshake),
            resources_us=run.resources_us,
        )

    async def close(self) -> None:
        """End what is in flight, and free everything."""
        await self._engine.close()
        await self._pages.close()
        self._authorities.close()
        self._lag.close()

    async def _visit(self, monitor: Monitor) -> Run:
        """Fetch a document and all that it asks for, over connections of their own."""
        began_us = time.perf_counter_ns() // 1000
        # A phase that waits for a connection cannot be timed out by itself.
        monitor = replace(monitor, request=replace(monitor.request, phase_timeouts=None))
        visit = Visit()
        http = Http(self._pages, visit)
        schemes = {**self._schemes, **dict.fromkeys(HTTP, http)}
        way = Way(schemes, Remembered(self._way.destinations))
        if monitor.request.proxy is not None:
            # It would be asked for the visit's own names.
            way = self._way

        def fetch(
            url: str, request: Request, timeout_us: int, content: Content | None
        ) -> Awaitable[Exchanged]:
            family = monitor.ip_version
            return self._exchange(url, monitor, request, family, timeout_us, content, way)

        try:
            run = await self._follow(monitor, monitor.ip_version, way)
            if run.failure is None and target_of(run.exchanges[-1].url).scheme in HTTP:
                await Page(run, run.request, began_us, monitor.timeout_us, fetch).load()
        finally:
            self._pages.end(visit)
        return run

    async def _follow(self, monitor: Monitor, ip_version: int, way: Way) -> Run:
        """Make exchanges until one is not a redirect; an up one is still to be judged."""
        began_us = time.perf_counter_ns() // 1000
        exchanges: list[Exchange] = []
        redirect_us = 0
        url, request = monitor.url, monitor.request
        assertions = monitor.assertions
        keeps = monitor.kind == "page" or (bool(assertions) and needs_content(assertions))
        while True:
            content = Content() if keeps else None
            exchange, failure, location = await self._exchange(
                url, monitor, request, ip_version, monitor.timeout_us - redirect_us, content, way
            )
            if redirect_us:
                exchange = replace(exchange, start_us=redirect_us)
            exchanges.append(exchange)
            if failure is None and location and monitor.max_redirects:
                url, request, failure = _next(location, request, exchanges, monitor.max_redirects)
                if failure is None:
                    redirect_us = time.perf_counter_ns() // 1000 - began_us
                    continue
            return Run(exchanges, redirect_us, failure, content or Content(), request)

    async def _exchange(
        self,
        url: str,
        monitor: Monitor,
        request: Request,
        ip_version: int,
        timeout_us: int,
        content: Content | None,
        way: Way,
    ) -> Exchanged:
        """Look the host up, ask the guard, and let the URL's scheme make one exchange."""
        try:
            target = target_of(url)
        except ValueError as error:
            return Exchange(url, Phases(), 0), Failure(Code.URL_INVALID, str(error)), ""
        try:
            addresses, dns_us = await way.destinations.find(
                target, monitor, request, ip_version, timeout_us
            )
        except Forbidden as error:
            return _unconnected(target, error.elapsed_us, error.address), error.failure, ""
        except LookupFailed as error:
            return _unconnected(target, error.elapsed_us), error.failure, ""
        left_us = timeout_us - (dns_us or 0)
        scheme = way.schemes[target.scheme]
        return await scheme.exchange(target, addresses, dns_us, left_us, request, content)


async def _findings(monitor: Monitor, run: Run, at_us: int) -> list[Finding]:
    """Hold the response against all that is expected of it; it is whole, and its times stand."""
    exchange, total_us = run.exchanges[-1], run.total_us
    findings: list[Finding] = []
    if assertions := monitor.assertions:
        found = Found(exchange, run.content, total_us, run.redirect_us, at_us)
        if is_slow(assertions, found.content):
            findings = await asyncio.to_thread(judge, assertions, found)
        else:
            findings = judge(assertions, found)
    status = exchange.http_status
    # A WebSocket that was not opened has failed already.
    is_good = status is None or status == 101 or 200 <= status < 400
    if not is_good and not any(each.kind == "status" for each in assertions):
        findings.insert(0, Finding(Code.HTTP_STATUS, status_failure(status or 0).detail))
    if monitor.slow_us is not None and total_us > monitor.slow_us:
        detail = f"{total_us / 1000:.1f} ms, the limit is {monitor.slow_us / 1000:.1f} ms"
        findings.append(Finding(Code.TOO_SLOW, detail, degrades=True))
    if monitor.kind == "page":
        findings += _of_resources(run)
    return findings


def _of_resources(run: Run) -> Iterator[Finding]:
    """Tell what is wrong with a page besides its document; it degrades only."""
    if told := failed(run.resources):
        yield Finding(Code.RESOURCE_FAILED, told, degrades=True)
    if run.is_cut:
        detail = f"more than {RESOURCES_MAX} resources or {BYTES_MAX} bytes; the rest is left out"
        yield Finding(Code.PAGE_TOO_LARGE, detail, degrades=True)


def _verdict(findings: Sequence[Finding]) -> tuple[Outcome, Failure | None]:
    """Name the result after the first of the gravest findings; tell them all, the gravest first."""
    if not findings:
        return Outcome.UP, None
    findings = sorted(findings, key=lambda finding: finding.degrades)
    outcome = Outcome.DEGRADED if findings[0].degrades else Outcome.DOWN
    detail = "; ".join(finding.detail for finding in findings)
    return outcome, Failure(findings[0].code, detail[:_DETAIL_MAX])


def _families(source_address: str | None) -> tuple[socket.AddressFamily, ...] | None:
    """Limit names to the family that the source address can reach; None: no limit."""
    if source_address is None:
        return None
    is_v4 = ip_address(source_address).version == 4
    return (socket.AF_INET if is_v4 else socket.AF_INET6,)


def _next(
    location: str, request: Request, exchanges: Sequence[Exchange], limit: int
) -> tuple[str, Request, Failure | None]:
    """Return where a redirect leads and what is asked there, or why it is not followed."""
    if len(exchanges) > limit:
        detail = f"the limit is {limit}; the next would lead to {location}"
        return "", request, Failure(Code.TOO_MANY_REDIRECTS, detail)
    hop = exchanges[-1]
    try:
        url = check_url(location)
        if target_of(url).scheme not in HTTP:
            raise ValueError(f"It leads to {url}, and only http and https are redirected to.")
        request = redirected(request, hop.http_status, target_of(hop.url), target_of(url))
    except ValueError as error:
        return "", request, Failure(Code.REDIRECT_INVALID, str(error))
    return url, request, None


def _unconnected(target: Target, dns_us: int | None, address: Address | None = None) -> Exchange:
    return Exchange(
        target.url,
        Phases(dns_us=dns_us),
        dns_us or 0,
        target_ip=address.packed if address else b"",
        target_port=target.port,
    )
