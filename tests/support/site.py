"""A web site on a real server that speaks HTTP/1.1 and HTTP/2: pages with known delays.

Hypercorn in a thread and loop of its own. ``pages``: path -> (media type, body, delay in seconds,
headers); anything else is 404. PORT in a body stands for the site's. Of those ``gathered`` none is
answered until ``enough`` of them have been asked for at once.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

from tests.support.certificates import Leaf
from tests.support.processes import answers, free_port, wait_until

Pages = Mapping[str, tuple[str, bytes, float, Mapping[str, str]]]


@dataclass
class Site:
    """What was asked of it; ``connections``: how many different clients' ports were seen."""

    port: int
    scheme: str
    asked: list[tuple[str, str]] = field(default_factory=list)
    clients: set[int] = field(default_factory=set)
    at_once: Counter[str] = field(default_factory=Counter)

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"


@contextmanager
def running_site(
    pages: Pages,
    *,
    leaf: Leaf | None = None,
    alpn: str = "h2",
    gathered: Collection[str] = (),
    enough: int = 0,
) -> Iterator[Site]:
    """Serve ``pages``, over TLS where there is a leaf; ``alpn``: the one protocol offered then."""
    site = Site(free_port(), "https" if leaf else "http")
    busy = gathering = 0
    is_enough = asyncio.Event()

    async def app(scope: dict[str, Any], _receive: Any, send: Any) -> None:
        nonlocal busy, gathering
        if scope["type"] != "http":
            raise NotImplementedError
        site.asked.append((scope["path"], scope["http_version"]))
        site.clients.add(scope["client"][1])
        kind, body, delay_s, headers = pages.get(scope["path"], ("text/plain", b"?", 0.0, {}))
        body = body.replace(b"PORT", str(site.port).encode())
        status = int(headers.get("status", 200 if scope["path"] in pages else 404))
        busy += 1
        site.at_once["most"] = max(site.at_once["most"], busy)
        if scope["path"] in gathered:
            gathering += 1
            if gathering == enough:
                is_enough.set()
            await is_enough.wait()
        await asyncio.sleep(delay_s)
        busy -= 1
        given = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        given += [(n.encode(), v.encode()) for n, v in headers.items() if n != "status"]
        await send({"type": "http.response.start", "status": status, "headers": given})
        await send({"type": "http.response.body", "body": body})

    config = Config()
    config.bind = [f"127.0.0.1:{site.port}"]
    config.accesslog = config.errorlog = None
    config.alpn_protocols = [alpn]
    if leaf:
        config.certfile, config.keyfile = str(leaf.certificate), str(leaf.key)
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    def run() -> None:
        loop.run_until_complete(
            serve(app, config, shutdown_trigger=over.wait)  # type: ignore[arg-type]
        )
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until(lambda: answers(site.port), what="the site")
        yield site
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(timeout=10)
