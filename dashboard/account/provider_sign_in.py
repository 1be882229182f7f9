"""Signing in at an identity provider: there, back, and, where no cookie came back, a question.

The cookie proves that it is the same browser that began. Without it anybody could be led into a
stranger's account by a link, so a page asks first whether that is who they are.
"""

from __future__ import annotations

import hmac
import json
import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dashboard import csrf, forms, session, signing
from dashboard.account.joining import Joined, public_url
from dashboard.attempts import Attempts, address_of
from dashboard.db import Database, Reader
from dashboard.errors import Forbidden, NotFound
from dashboard.identity import Identity, NotVouchedFor, ProviderAway, attempt
from dashboard.rendering import page
from dashboard.settings import Settings

if TYPE_CHECKING:
    from dashboard.identity_provider import IdentityProvider

LOG = structlog.get_logger()
PATH = "/sign-in/provider"
LIFETIME = timedelta(minutes=10)
COOKIE = "-sign-in"
TOO_LATE = "This sign-in has ended or was used already. Begin anew on the page to sign in."


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that was begun. ``identity`` None: the provider has not been asked yet."""

    browser_hash: bytes | None
    following: str
    identity: dict[str, str] | None


async def begin(request: Request) -> Response:
    """Answer ``/sign-in/provider``: remember that it was begun, and lead to the provider."""
    provider = _provider(request)
    if session.cookie_name(request) is None:
        raise Forbidden("Signing in over plain http would show your session. Use https.")
    _limit(request)
    state, browser = session.new_token(), session.new_token()
    settings: Settings = request.app.state.settings
    try:
        address = await provider.address(attempt(settings.secret, state), _redirect_uri(request))
    except ProviderAway as error:
        return _away(request, error)
    database: Database = request.app.state.database
    async with database.transaction() as reader:
        await reader.run(
            "begin_sign_in",
            state_hash=session.token_hash(state),
            browser_hash=session.token_hash(browser),
            following=signing.local_path(request.query_params.get("next", "")),
            identity=None,
            lifetime=LIFETIME,
        )
    answer = RedirectResponse(address, 303)
    _keep(answer, request, browser)
    return answer


async def finish(request: Request) -> Response:
    """Answer ``/sign-in/provider/finish``, where the provider sends people back to."""
    provider = _provider(request)
    settings: Settings = request.app.state.settings
    database: Database = request.app.state.database
    query = request.query_params
    state = query.get("state", "")
    _limit(request)
    # Spent whatever follows: nothing that comes back is good for a second time.
    async with database.transaction() as reader:
        begun = await reader.one(Begun, "spend_sign_in", state_hash=session.token_hash(state))
    if begun is None or begun.identity is not None:
        raise Forbidden(TOO_LATE)
    if "code" not in query:
        LOG.info("sign_in_refused", reason=f"the provider said {query.get('error', '')[:100]!r}")
        raise Forbidden(f"{provider.name} did not say who you are. Try again, or sign in here.")
    try:
        identity = await provider.identity(
            attempt(settings.secret, state),
            _redirect_uri(request),
            query["code"],
            query.get("iss", ""),
        )
    except NotVouchedFor as error:
        LOG.warning("sign_in_refused", reason=str(error))
        raise Forbidden(
            f"What {provider.name} said of you cannot be trusted. Try again."
        ) from error
    except ProviderAway as error:
        return _away(request, error)
    async with database.transaction() as reader:
        if _is_same_browser(request, begun):
            answer = await _enter(request, reader, identity, begun.following)
        else:
            answer = await _ask(request, reader, identity, begun.following)
    _keep(answer, request, "")
    return answer


async def confirm(request: Request) -> Response:
    """Go on as whom the page asked about, once."""
    _provider(request)
    token = request.query_params.get("token", "")
    await forms.read(request, token)
    database: Database = request.app.state.database
    async with database.transaction() as reader:
        begun = await reader.one(Begun, "spend_sign_in", state_hash=session.token_hash(token))
        if begun is None or begun.identity is None:
            raise Forbidden(TOO_LATE)
        return await _enter(request, reader, Identity(**begun.identity), begun.following)


async def _enter(request: Request, reader: Reader, identity: Identity, following: str) -> Response:
    """Sign in the member that an identity is, or makes. Raises: Forbidden: it is nobody here."""
    settings: Settings = request.app.state.settings
    values: dict[str, Any] = asdict(identity) | {"registration": settings.registration}
    joined = await reader.the(Joined, "enter_identity", **values)
    return await signing.start(request, reader, joined.id, following)


async def _ask(request: Request, reader: Reader, identity: Identity, following: str) -> Response:
    token = session.new_token()
    await reader.run(
        "begin_sign_in",
        state_hash=session.token_hash(token),
        browser_hash=None,
        following=following,
        identity=json.dumps(asdict(identity)),
        lifetime=LIFETIME,
    )
    return page(
        request,
        "account/confirm.html",
        identity=identity,
        action=f"{PATH}/confirm?{urlencode({'token': token})}",
        form_token=csrf.token(request.app.state.settings.secret, token),
    )


def _provider(request: Request) -> IdentityProvider:
    settings: Settings = request.app.state.settings
    if settings.identity_provider is None:
        raise NotFound("This report centre has no identity provider.")
    return settings.identity_provider


def _redirect_uri(request: Request) -> str:
    """Exactly what the provider was told; never from the request's headers."""
    return f"{public_url(request)}{PATH}/finish"


def _limit(request: Request) -> None:
    """Count a step that costs something. Raises: TooMany."""
    strangers: Attempts = request.app.state.strangers
    strangers.count(address_of(request), time.monotonic())


def _is_same_browser(request: Request, begun: Begun) -> bool:
    name = session.cookie_name(request)
    given = request.cookies.get(f"{name}{COOKIE}", "") if name else ""
    return hmac.compare_digest(session.token_hash(given), begun.browser_hash or b"")


def _keep(answer: Response, request: Request, token: str) -> None:
    """Give the browser what proves that it began; an empty one takes it back."""
    if name := session.cookie_name(request):
        answer.set_cookie(
            f"{name}{COOKIE}",
            token,
            max_age=int(LIFETIME.total_seconds()) if token else 0,
            secure=name == session.SECURE_NAME,
            httponly=True,
            samesite="lax",
        )


def _away(request: Request, error: ProviderAway) -> Response:
    LOG.error("provider_away", reason=str(error))
    message = "The identity provider does not answer as it should. Try again, or sign in here."
    # What was begun may be over, so not by asking for the same again: the sign-in page leads on.
    told = {"title": "Nobody to ask", "message": message, "may_pass": False}
    return page(request, "error.html", 503, **told)


ROUTES = [
    Route(PATH, begin),
    Route(f"{PATH}/finish", finish),
    Route(f"{PATH}/confirm", confirm, methods=["POST"]),
]
