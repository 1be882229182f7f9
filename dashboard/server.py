"""Runs the application under uvicorn, on a socket that is ours."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from types import FrameType
from typing import NoReturn

import uvicorn
import uvloop

from dashboard import app, rendering
from dashboard.errors import DashboardError
from dashboard.live import Hub
from dashboard.settings import Settings

BACKLOG = 512
LAST_WORDS_S = 5


def listen(host: str, port: int) -> socket.socket:
    """Take the address.

    Raises: DashboardError where it is taken, forbidden or not this machine's.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise DashboardError(f"{host} is no address to listen on: {error.strerror}.") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise DashboardError(
            f"Port {port} of {host} cannot be listened on: {reason}. Choose another with --port."
        ) from error
    return listening


def run(settings: Settings, listening: socket.socket) -> None:
    """Serve until a signal says stop; open streams are ended at once."""
    application = app.make(settings)
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxy,
        timeout_graceful_shutdown=LAST_WORDS_S,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        ws="none",
    )
    server = _Server(config, application.state.hub)
    # uvicorn raises the signal again when it has ended well; for us that is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    rendering.compile_first()
    # What is there by now stays, and need not be looked through while pages are made.
    gc.collect()
    gc.freeze()
    uvloop.run(server.serve(sockets=[listening]))


def _leave(_: int, __: FrameType | None) -> NoReturn:
    raise SystemExit(0)


class _Server(uvicorn.Server):
    """Ends the pages' streams before it waits for what is still being answered."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Runs in the signal's handler, so the streams are told from the loop."""
        super().handle_exit(sig, frame)
        asyncio.get_running_loop().call_soon_threadsafe(self._hub.close)
