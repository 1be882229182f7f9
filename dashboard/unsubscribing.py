"""No more mail about the product: by the link that is in each of them, without signing in.

A mail program may do it by itself (RFC 8058); whoever follows the link is asked first, since
programs that look through mail follow links, too.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard.db import Database
from dashboard.errors import NotFound
from dashboard.number import IDENTITY_MAX, whole
from dashboard.rendering import page
from dashboard.settings import Settings

PATH = "/unsubscribe"
ONE_CLICK = ("List-Unsubscribe", "One-Click")


def link(settings: Settings, user_id: int) -> str:
    """Where somebody unsubscribes. It has no end: mail is kept for years."""
    query = urlencode({"person": user_id, "signature": _signature(settings.secret, user_id)})
    return f"{settings.public_url}{PATH}?{query}"


def _signature(secret: bytes, user_id: int) -> str:
    return hmac.new(secret, f"unsubscribe\0{user_id}".encode(), hashlib.sha256).hexdigest()


def _person(request: Request) -> int:
    """Whom the link names. Raises: NotFound where we did not make it."""
    settings: Settings = request.app.state.settings
    user_id = whole(request.query_params.get("person", ""), IDENTITY_MAX) or 0
    given = request.query_params.get("signature", "").encode()
    if not hmac.compare_digest(given, _signature(settings.secret, user_id).encode()):
        raise NotFound("This link is not whole. Copy all of it, or change it under Settings.")
    return user_id


async def ask(request: Request) -> Response:
    """Answer ``/unsubscribe``: nothing changes yet."""
    _person(request)
    return _page(request, is_done=False)


async def unsubscribe(request: Request) -> Response:
    """Do it; asked by a mail program, or by the button."""
    user_id = _person(request)
    name, value = ONE_CLICK
    given = await request.form(max_files=0, max_fields=10)
    if given.get(name) != value:
        raise NotFound("This takes List-Unsubscribe=One-Click.")
    database: Database = request.app.state.database
    async with database.transaction() as reader:
        await reader.run("unsubscribe", user_id=user_id)
    return _page(request, is_done=True)


def _page(request: Request, *, is_done: bool) -> Response:
    return page(
        request,
        "account/unsubscribe.html",
        is_done=is_done,
        one_click=ONE_CLICK,
        action=f"{PATH}?{request.url.query}",
    )


ROUTES = [
    Route(PATH, ask),
    Route(PATH, unsubscribe, methods=["POST"]),
]
