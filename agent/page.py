"""A page's resources, fetched as a browser would: whatever is found is asked for at once.

The document is whole when the first of them is asked for; a style sheet's own are asked for when it
is whole. How many connections that takes is libcurl's business (agent.visit).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable

from agent.content import Content
from agent.failure import Code, status_failure
from agent.pair import Run
from agent.request import redirected
from agent.resources import RESOURCES_MAX, Kind, Resource, of_css, of_html
from agent.result import Exchange, Failure, Outcome, Request, Role
from agent.schemes.scheme import Exchanged
from vantage.url import check_url, target_of

BYTES_MAX = 50 * 1024 * 1024
IMPORTS_MAX = 5
# Redirects included; those in flight may exceed it.
EXCHANGES_MAX = 300
REDIRECTS_MAX = 10
# Reading more than this would hold up other probes; it is done in another thread.
_QUICK_BYTES = 4 * 1024

# URL, request, time left, what keeps the body.
Fetch = Callable[[str, Request, int, Content | None], Awaitable[Exchanged]]


class Page:
    """Fetches what ``run``'s document asks for; ``began_us``: when the run began."""

    def __init__(
        self, run: Run, request: Request, began_us: int, timeout_us: int, fetch: Fetch
    ) -> None:
        self._run = run
        self._request = request
        self._began_us = began_us
        self._timeout_us = timeout_us
        self._fetch = fetch
        self._seen: set[str] = set()
        self._bytes = 0

    async def load(self) -> None:
        """Put the resources and their time into the run."""
        run, document = self._run, self._run.exchanges[-1]
        if any("html" in each.lower() for each in run.content.values("content-type") or ["html"]):
            body = bytes(run.content.body)
            found = await _read(len(body), lambda: of_html(body, document.url))
            async with asyncio.TaskGroup() as group:
                self._ask(group, found, 0)
        run.resources.sort(key=lambda each: each.start_us)
        run.resources_us = max(0, self._now_us() - run.redirect_us - document.total_us)

    def _ask(self, group: asyncio.TaskGroup, found: Iterable[Resource], depth: int) -> None:
        for resource in found:
            if resource.url in self._seen:
                continue
            if len(self._seen) >= RESOURCES_MAX or self._bytes > BYTES_MAX:
                self._run.is_cut = True
                return
            self._seen.add(resource.url)
            group.create_task(self._get(group, resource, depth))

    async def _get(self, group: asyncio.TaskGroup, resource: Resource, depth: int) -> None:
        """Follow one resource to where its redirects end; then what it asks for itself."""
        exchange, failure, content = await self._follow(resource)
        _judge(exchange, failure)
        if exchange.failure is None and content is not None and depth < IMPORTS_MAX:
            text = content.body.decode("utf-8", "replace")
            found = await _read(len(text), lambda: of_css(text, exchange.url))
            self._ask(group, found, depth + 1)

    async def _follow(self, resource: Resource) -> tuple[Exchange, Failure | None, Content | None]:
        """Return the last exchange, and what was kept of it."""
        origin = target_of(self._run.exchanges[-1].url)
        url, request = resource.url, self._request
        for followed in range(REDIRECTS_MAX + 1):
            content = Content() if resource.kind is Kind.STYLESHEET else None
            # What makes a URL unusable is told by the fetch.
            with contextlib.suppress(ValueError):
                url = check_url(url)
                request = redirected(request, None, origin, target_of(url))
            asked_us = self._now_us()
            left_us = max(self._timeout_us - asked_us, 1000)
            exchange, failure, location = await self._fetch(url, request, left_us, content)
            self._bytes += exchange.body_bytes
            exchange.role, exchange.resource = Role.RESOURCE, resource.kind
            # Waiting for an address that another one looks up, or for a connection, comes before.
            exchange.start_us = max(asked_us, self._now_us() - exchange.total_us)
            self._run.resources.append(exchange)
            if failure is not None or not location:
                break
            if followed == REDIRECTS_MAX or len(self._run.resources) >= EXCHANGES_MAX:
                failure = Failure(Code.TOO_MANY_REDIRECTS, f"the limit is {REDIRECTS_MAX}")
                break
            url = location
        return exchange, failure, content

    def _now_us(self) -> int:
        return time.perf_counter_ns() // 1000 - self._began_us


def _judge(exchange: Exchange, failure: Failure | None) -> None:
    status = exchange.http_status or 0
    if failure is None and not 200 <= status < 400:
        failure = status_failure(status)
    exchange.failure = failure
    exchange.outcome = Outcome.UP if failure is None else Outcome.DOWN


async def _read(size: int, read: Callable[[], list[Resource]]) -> list[Resource]:
    return await asyncio.to_thread(read) if size > _QUICK_BYTES else read()


def failed(resources: Iterable[Exchange]) -> str:
    """Say which resources failed; empty: none did."""
    judged = [each for each in resources if each.outcome is not None]
    told = [
        f"{each.url}: {each.failure.detail or each.failure.code}" for each in judged if each.failure
    ]
    return f"{len(told)} of {len(judged)} resources failed: {'; '.join(told)}" if told else ""
