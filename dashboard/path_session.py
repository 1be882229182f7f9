"""A session in the path, ``/~token/…``, for browsers that refuse cookies: plain ASGI.

Everything behind this sees the path without the token, so neither a log nor a page's own text
holds it. Pages get their links back with it (`prefixed`), redirects too.
"""

from __future__ import annotations

import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFIX = re.compile(r"/~(?P<token>[A-Za-z0-9_-]{43})(?P<rest>/.*)")
KEY = "vantage.path_token"
# Our own attributes that hold a path; what people wrote is never in one of them. Files that
# belong to everybody are not worth a token.
LINKS = re.compile(r'(\s(?:href|src|action|data-live|data-charts|data-path)=")/(?!/|static/)')
SIGN_IN = re.compile(r"/sign-in(\?|$)")


class PathSession:
    """Takes the token out of the path, and puts it before where redirects lead."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what has no token untouched."""
        match = PREFIX.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if match is None:
            await self._app(scope, receive, send)
            return
        token, rest = match["token"], match["rest"]

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                target = headers.get("location", "")
                if target.startswith("/") and not SIGN_IN.match(target):
                    headers["location"] = f"/~{token}{target}"
            await send(message)

        inner = {**scope, "path": rest, "raw_path": rest.encode(), KEY: token}
        await self._app(inner, receive, send_on)


def token_of(scope: Scope) -> str:
    """The token that was in the path; empty: none."""
    return str(scope.get(KEY, ""))


def prefixed(page: str, scope: Scope) -> str:
    """A page whose links keep the visitor signed in."""
    token = token_of(scope)
    return LINKS.sub(rf"\g<1>/~{token}/", page) if token else page
