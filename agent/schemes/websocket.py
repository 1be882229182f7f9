"""ws and wss: a WebSocket is opened by an HTTP request, and closed at once.

libcurl does not look at the server's proof that it understood; the key it must prove is ours.

Source: RFC 6455, sections 4 and 5.5.1.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import replace

from agent.content import Content
from agent.engine import Engine
from agent.failure import Code, status_failure
from agent.guard import Address
from agent.line import Line
from agent.result import Failure, Request
from agent.schemes.http import exchange_of, failure_of
from agent.schemes.scheme import Exchanged
from agent.transfer import Transfer
from vantage.url import Target

# One for all: a monitor's request stays the same, and a pooled handle need not be set anew.
_KEY = base64.b64encode(secrets.token_bytes(16)).decode()
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_ACCEPT = base64.b64encode(
    hashlib.sha1(f"{_KEY}{_GUID}".encode(), usedforsecurity=False).digest()
).decode()


class WebSocket:
    """Opens WebSockets; it follows no redirect."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def exchange(
        self,
        target: Target,
        addresses: Sequence[Address],
        dns_us: int | None,
        timeout_us: int,
        request: Request,
        content: Content | None,
    ) -> Exchanged:
        request = replace(request, headers=(*request.headers, ("Sec-WebSocket-Key", _KEY)))
        content = content or Content()
        transfer = await self._engine.exchange(
            target, addresses, timeout_us, request, content, talk=_hang_up
        )
        exchange = exchange_of(target, dns_us, transfer)
        return exchange, _unopened(transfer, content) or failure_of(transfer, exchange), ""


async def _hang_up(line: Line) -> None:
    line.close_websocket()


def _unopened(transfer: Transfer, content: Content) -> Failure | None:
    """Tell what the server answered that opens no WebSocket; None: nothing of that kind."""
    if transfer.http_status is None:
        return None
    if transfer.http_status != 101:
        refusal = status_failure(transfer.http_status)
        return Failure(refusal.code, f"{refusal.detail}, and no WebSocket")
    if transfer.error is None and content.values("Sec-WebSocket-Accept") != [_ACCEPT]:
        found = ", ".join(content.values("Sec-WebSocket-Accept")) or "none"
        detail = f"Sec-WebSocket-Accept {_ACCEPT} expected, found {found[:100]}"
        return Failure(Code.PROTOCOL_ERROR, detail)
    return None
