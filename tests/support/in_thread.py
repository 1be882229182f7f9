"""A server of the standard library, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import BaseServer


@contextmanager
def serving_in_thread(server: BaseServer) -> Iterator[None]:
    """Have it serve meanwhile, and close it."""
    # By default it looks whether it is to end twice a second only.
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
