"""A real HTTP server on loopback that keeps what it is sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.in_thread import serving_in_thread
from tests.support.processes import wait_until


@dataclass
class Delivery:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """``statuses``: what the next requests are answered with; then 204.

    ``answer_s``: how long it takes to answer. Each request that comes sets ``holding``; while
    ``released`` is not set, none is answered.
    """

    port: int = 0
    deliveries: list[Delivery] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    answer_s: float = 0
    holding: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def keys(self, path: str) -> list[str]:
        """Idempotency keys of what came to a path, in order."""
        return [each.headers["idempotency-key"] for each in self.deliveries if each.path == path]

    def wait_for(self, path: str, number: int = 1) -> Delivery:
        """The newest delivery to a path, once there are so many."""
        came = lambda: [each for each in self.deliveries if each.path == path]  # noqa: E731
        wait_until(lambda: len(came()) >= number, what=f"delivery {number} to {path}")
        return came()[-1]


@contextmanager
def receiver() -> Iterator[Receiver]:
    kept = Receiver()
    kept.released.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            # Who was killed before it had sent the whole has told nothing.
            if len(body) < length:
                self.close_connection = True
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            kept.deliveries.append(Delivery(self.path, headers, body))
            kept.holding.set()
            kept.released.wait(60)
            time.sleep(kept.answer_s)
            self.send_response(kept.statuses.pop(0) if kept.statuses else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            # Who was killed while it waited for the answer does not read it.
            try:
                super().handle()
            except ConnectionError:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    kept.port = server.server_port
    with serving_in_thread(server):
        try:
            yield kept
        finally:
            kept.released.set()
