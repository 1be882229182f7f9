"""How much a request may hold: plain ASGI, inside of what answers errors.

Starlette's own limit answers by itself, in plain text, and puts its answer in the place of ours.
"""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """Raises 413, as an error that pages and the API word themselves, where more is read."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app = app
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what is received, and wait for nothing of what is longer by its own word."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        is_too_long = length.isdecimal() and int(length) > self._most_bytes
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            if is_too_long:
                raise self._refusal()
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._most_bytes:
                raise self._refusal()
            return message

        await self._app(scope, receive_limited, send)

    def _refusal(self) -> HTTPException:
        return HTTPException(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"A request may hold {self._most_bytes // 1024} KiB; this one holds more. "
            "Send less at once.",
        )
