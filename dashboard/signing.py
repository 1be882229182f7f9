"""The pages that sign a person in and out."""

from __future__ import annotations

from urllib.parse import urlencode

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboard import authorization, csrf, forms, session
from dashboard.browser import kind_of_browser
from dashboard.db import Database, Reader
from dashboard.errors import TooMany
from dashboard.rendering import page
from dashboard.rows.answer import Answer
from dashboard.settings import Settings

LOG = structlog.get_logger()
FORM = "sign-in"
LONGEST_PASSWORD = 1024


async def form(request: Request) -> Response:
    """Show the form, or go on where somebody is signed in already."""
    if session.token_of(request) and await _is_signed_in(request):
        return RedirectResponse(local_path(request.query_params.get("next", "")), 303)
    return _form(request, 200)


async def sign_in(request: Request) -> Response:
    """Verify, remember, go on. The answer never says whether the address is known."""
    given = await forms.read(request, FORM)
    email = given["email"].strip()
    if session.cookie_name(request) is None:
        return _form(request, 400, email)
    database: Database = request.app.state.database
    try:
        async with database.transaction() as reader:
            user_id = await authorization.match(
                request, reader, email, given["password"][:LONGEST_PASSWORD]
            )
            if user_id is not None:
                return await start(request, reader, user_id)
    except TooMany as error:
        answer = _form(request, 429, email, str(error))
        answer.headers["Retry-After"] = f"{error.wait_s:.0f}"
        return answer
    LOG.info("sign_in_failed")
    return _form(request, 401, email, "The e-mail address or the password is wrong.")


async def start(request: Request, reader: Reader, user_id: int, following: str = "") -> Response:
    """Sign somebody in whose identity was verified, and find out whether the cookie comes back."""
    token, handoff = session.new_token(), session.new_token()
    await reader.run(
        "start_session",
        user_id=user_id,
        token_hash=session.token_hash(token),
        handoff_hash=session.token_hash(handoff),
        lifetime=session.LIFETIME,
        browser=kind_of_browser(request.headers.get("user-agent", "")),
    )
    query = {"next": local_path(following or request.query_params.get("next", ""))}
    answer = RedirectResponse("/signed-in?" + urlencode({**query, "handoff": handoff}), 303)
    session.keep(answer, request, token)
    return answer


async def signed_in(request: Request) -> Response:
    """Go on with the cookie, or, where the browser refused it, with a token in the path."""
    following = local_path(request.query_params.get("next", ""))
    database: Database = request.app.state.database
    async with database.transaction() as reader:
        if cookie := session.cookie_of(request):
            await reader.run("keep_session", token_hash=session.token_hash(cookie))
            return RedirectResponse(following, 303)
        token = session.new_token()
        handed = await reader.the(
            Answer,
            "hand_over_session",
            handoff_hash=session.token_hash(request.query_params.get("handoff", "")),
            token_hash=session.token_hash(token),
            lifetime=session.PATH_LIFETIME,
        )
    if not handed.is_done:
        return RedirectResponse("/sign-in", 303)
    return RedirectResponse(f"/~{token}{following}", 303)


async def sign_out(request: Request) -> Response:
    """Forget the session, here and in the browser."""
    token = session.token_of(request)
    await forms.read(request, token)
    database: Database = request.app.state.database
    async with database.transaction() as reader:
        await reader.run("end_session", token_hash=session.token_hash(token))
    answer = RedirectResponse("/sign-in", 303)
    session.keep(answer, request, "")
    return answer


def _form(request: Request, status: int, email: str = "", error: str = "") -> Response:
    following = local_path(request.query_params.get("next", ""))
    query = "?" + urlencode({"next": following}) if following != "/" else ""
    settings: Settings = request.app.state.settings
    return page(
        request,
        "sign_in.html",
        status,
        email=email,
        is_open=settings.registration == "open",
        error=error,
        action=f"/sign-in{query}",
        provider_path=f"/sign-in/provider{query}",
        form_token=csrf.token(settings.secret, FORM),
        is_possible=session.cookie_name(request) is not None,
    )


async def _is_signed_in(request: Request) -> bool:
    database: Database = request.app.state.database
    async with database.transaction() as reader:
        hashed = session.token_hash(session.cookie_of(request))
        return (
            await reader.one(
                session.Visitor, "visitor_by_session", kind="cookie", token_hash=hashed
            )
            is not None
        )


def local_path(following: str) -> str:
    """Where to go after signing in: a path on this server, whatever the address asks for."""
    is_path = following.startswith("/") and not following.startswith(("//", "/\\"))
    return following if is_path and following.isprintable() and "\\" not in following else "/"
