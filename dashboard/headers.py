"""What every answer carries, and which requests get none: plain ASGI, around everything."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.access_log import AccessLog, route_of

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
# An answer is its reader's alone, unless it says otherwise, as what is the same for everybody does.
ALWAYS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
STRICT_TRANSPORT = "max-age=31536000"
HOST = re.compile(r"(?P<name>[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(:\d{1,5})?", re.IGNORECASE)
LOG = structlog.get_logger()


class Guard:
    """Refuses a Host that is malformed or not ours; adds the headers; tells of every request.

    Its own log says neither who came nor what was asked for: that is the access log's.
    """

    def __init__(
        self,
        app: ASGIApp,
        allowed_hosts: Sequence[str] = (),
        access_log: AccessLog | None = None,
    ) -> None:
        self._app = app
        self._allowed = {name.lower() for name in allowed_hosts}
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is not HTTP untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        # Where the application breaks, its outermost layer answers with this.
        status = 500

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in ALWAYS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", STRICT_TRANSPORT)
            await send(message)

        app = self._app if self._is_ours(Headers(scope=scope)) else _WRONG_HOST
        try:
            await app(scope, receive, send_guarded)
        finally:
            if self._access_log is not None:
                self._access_log.write(scope, status, datetime.now(UTC))
            LOG.info(
                "request_answered",
                method=scope["method"],
                route=route_of(scope),
                status=status,
                ms=round((time.perf_counter() - began) * 1000, 1),
            )

    def _is_ours(self, headers: Headers) -> bool:
        given = headers.getlist("host")
        match = HOST.fullmatch(given[0]) if len(given) == 1 else None
        return match is not None and (not self._allowed or match["name"].lower() in self._allowed)


_WRONG_HOST = PlainTextResponse("This server does not answer to that name.\n", 400)
