"""A real HTTP/3 server on loopback (aioquic): answers as told, as late as told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated, QuicEvent

from tests.support.certificates import Leaf


class _Protocol(QuicConnectionProtocol):
    def __init__(self, *args: object, wait_s: float, status: int, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._wait_s = wait_s
        self._status = status
        self._http: H3Connection | None = None

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ProtocolNegotiated):
            self._http = H3Connection(self._quic)
        if self._http is None:
            return
        for each in self._http.handle_event(event):
            if isinstance(each, HeadersReceived):
                asyncio.get_running_loop().call_later(self._wait_s, self._answer, each.stream_id)

    def _answer(self, stream_id: int) -> None:
        assert self._http is not None
        status = str(self._status).encode()
        self._http.send_headers(stream_id, [(b":status", status), (b"server", b"three")])
        self._http.send_data(stream_id, b"hello", end_stream=True)
        self.transmit()


@asynccontextmanager
async def serve_http3(leaf: Leaf, *, wait_s: float = 0.0, status: int = 200) -> AsyncIterator[int]:
    """Serve on a free port, which is yielded."""
    configuration = QuicConfiguration(is_client=False, alpn_protocols=H3_ALPN)
    configuration.load_cert_chain(leaf.certificate, leaf.key)
    server = await serve(
        "127.0.0.1",
        0,
        configuration=configuration,
        create_protocol=partial(_Protocol, wait_s=wait_s, status=status),
    )
    try:
        assert server._transport is not None
        yield server._transport.get_extra_info("sockname")[1]
    finally:
        server.close()
