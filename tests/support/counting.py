"""A web server that remembers every request it answered."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.in_thread import serving_in_thread


class CountingTarget(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.answered: Counter[str] = Counter()
        self.counting = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over clients that are gone: tests kill agents that are probing."""

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class Answer(BaseHTTPRequestHandler):
    server: CountingTarget
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        with self.server.counting:
            self.server.answered[self.path] += 1
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def counting_target() -> Iterator[CountingTarget]:
    target = CountingTarget()
    with serving_in_thread(target):
        yield target
