"""Where a connection goes: to which addresses, as the guard permits.

The host of a URL is looked up, unless the monitor names a proxy (whose host is looked up), an
address to connect to, or another name server to ask. Whatever is connected to or asked for, the
guard judges: customers name all of these. What a proxy connects to is for the proxy to judge; only
an address in the URL itself is judged here all the same.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol

from agent.failure import Code
from agent.guard import Address, Guard
from agent.request import proxy_target
from agent.resolver import LookupFailed, Resolver
from agent.result import Failure, Monitor, Request
from vantage.url import Target, target_of

_FAMILY_OF = {0: None, 4: socket.AF_INET, 6: socket.AF_INET6}
# Each that is tried costs a descriptor for as long as the exchange takes; an answer has thousands.
_ADDRESSES_MAX = 64
_NOWHERE = Path(os.devnull)


class Forbidden(LookupFailed):
    """The guard refuses ``address``, which would be connected to or asked."""

    def __init__(self, refusal: str, address: Address, elapsed_us: int | None) -> None:
        super().__init__(Failure(Code.ADDRESS_FORBIDDEN, refusal), elapsed_us)
        self.address = address


class Finder(Protocol):
    """Whom to ask where a connection goes."""

    async def find(
        self, target: Target, monitor: Monitor, request: Request, ip_version: int, timeout_us: int
    ) -> tuple[Sequence[Address], int | None]:
        """As Destinations.find."""


class Remembered:
    """Destinations that are looked up once, as within one page; whoever comes later waits along."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._found: dict[str, asyncio.Future[tuple[Sequence[Address], int | None]]] = {}

    async def find(
        self, target: Target, monitor: Monitor, request: Request, ip_version: int, timeout_us: int
    ) -> tuple[Sequence[Address], int | None]:
        known = self._found.get(target.host)
        if known is not None:
            return (await asyncio.shield(known))[0], None
        looking = self._finder.find(target, monitor, request, ip_version, timeout_us)
        found = self._found[target.host] = asyncio.ensure_future(looking)
        return await found


class Destinations:
    """Finds the addresses to connect to; ``families``: those looked up, None: those routed."""

    def __init__(
        self,
        guard: Guard,
        resolver: Resolver | None = None,
        families: Sequence[socket.AddressFamily] | None = None,
    ) -> None:
        self._guard = guard
        self._own = resolver or Resolver(families=families)
        # The hosts file is another answer than the name server's.
        self._asking = lru_cache(maxsize=256)(
            lambda server: Resolver(servers=[server], families=families, hosts=_NOWHERE)
        )

    async def find(
        self, target: Target, monitor: Monitor, request: Request, ip_version: int, timeout_us: int
    ) -> tuple[Sequence[Address], int | None]:
        """Return the addresses to try, and what looking them up took; None: nothing was.

        Raises: LookupFailed; Forbidden among them.
        """
        at = target
        if request.proxy is not None:
            at = proxy_target(request.proxy.url)
            if target.address is not None:
                self._permitted([target.address], None)
        addresses, dns_us = await self._look_up(at, monitor, request, ip_version, timeout_us)
        return self._permitted(addresses, dns_us), dns_us

    def _permitted(self, addresses: Sequence[Address], dns_us: int | None) -> list[Address]:
        refusals = list(map(self._guard.refusal, addresses))
        permitted = [at for at, refusal in zip(addresses, refusals, strict=True) if not refusal]
        if not permitted:
            raise Forbidden(refusals[0] or "", addresses[0], dns_us)
        return permitted[:_ADDRESSES_MAX]

    async def _look_up(
        self, at: Target, monitor: Monitor, request: Request, ip_version: int, timeout_us: int
    ) -> tuple[Sequence[Address], int | None]:
        address = at.address
        if monitor.connect_to and at.host == target_of(monitor.url).host:
            address = ip_address(monitor.connect_to)
        if address is not None:
            if ip_version and address.version != ip_version:
                detail = f"{address} is no IPv{ip_version} address"
                raise LookupFailed(Failure(Code.DNS_NO_ADDRESS, detail), None)
            return (address,), None
        resolver = self._own
        if monitor.name_server is not None:
            self._permitted([ip_address(monitor.name_server[0])], None)
            resolver = self._asking(monitor.name_server)
        limit_us = request.phase_timeouts and request.phase_timeouts.dns_us
        timeout_s = max(min(timeout_us, limit_us or timeout_us), 1000) / 1e6
        answer = await resolver.resolve(at.host, timeout_s=timeout_s, only=_FAMILY_OF[ip_version])
        return answer.addresses, answer.elapsed_us
