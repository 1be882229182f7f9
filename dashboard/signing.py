"""The pages that sign a person in and out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboard import csrf, session
from dashboard.attempts import Attempts
from dashboard.db import Database
from dashboard.passwords import Passwords
from dashboard.rendering import page

FORM = "sign-in"
LONGEST_PASSWORD = 1024


@dataclass(frozen=True, slots=True)
class Candidate:
    """Whose password is to be verified."""

    user_id: int
    password_hash: str


async def form(request: Request) -> Response:
    """Show the form, or go on where somebody is signed in already."""
    if session.token_of(request) and await _is_signed_in(request):
        return RedirectResponse(local_path(request.query_params.get("next", "")), 303)
    return _form(request, 200)


async def sign_in(request: Request) -> Response:
    """Verify, remember, go on. The answer never says whether the address is known."""
    given = await request.form()
    fields = {name: str(given.get(name, "")) for name in ("email", "password", "csrf")}
    csrf.require(request, fields["csrf"], request.app.state.settings.secret, FORM)
    email = fields["email"].strip()
    attempts: Attempts = request.app.state.attempts
    key = f"{request.client.host if request.client else ''} {email.lower()}"
    wait_s = attempts.wait_s(key, time.monotonic())
    if wait_s:
        minutes = f"{-(-wait_s // 60):.0f} min"
        return _form(request, 429, email, f"Too many tries. Wait {minutes}, then try again.")
    token = await _verified(request, email, fields["password"])
    if token is None:
        attempts.failed(key, time.monotonic())
        return _form(request, 401, email, "The email address or the password is wrong.")
    attempts.succeeded(key)
    answer = RedirectResponse(local_path(request.query_params.get("next", "")), 303)
    session.keep(answer, request, token)
    return answer


async def _verified(request: Request, email: str, password: str) -> str | None:
    """A new session's token. None: not verified."""
    database: Database = request.app.state.database
    passwords: Passwords = request.app.state.passwords
    candidate = None
    if "\0" not in email:
        async with database.transaction() as reader:
            candidate = await reader.one(Candidate, "sign_in_candidate", email=email)
    stored = candidate.password_hash if candidate else None
    if not await passwords.match(password[:LONGEST_PASSWORD], stored) or candidate is None:
        return None
    token = session.new_token()
    async with database.transaction() as reader:
        await reader.run(
            "start_session",
            user_id=candidate.user_id,
            token_hash=session.token_hash(token),
            lifetime=session.LIFETIME,
        )
    return token


async def sign_out(request: Request) -> Response:
    """Forget the session, here and in the browser."""
    given = await request.form()
    token = session.token_of(request)
    csrf.require(request, str(given.get("csrf", "")), request.app.state.settings.secret, token)
    database: Database = request.app.state.database
    async with database.transaction() as reader:
        await reader.run("end_session", token_hash=session.token_hash(token))
    answer = RedirectResponse("/sign-in", 303)
    session.keep(answer, request, "")
    return answer


def _form(request: Request, status: int, email: str = "", error: str = "") -> Response:
    following = local_path(request.query_params.get("next", ""))
    return page(
        request,
        "sign_in.html",
        status,
        email=email,
        error=error,
        action="/sign-in" + ("?" + urlencode({"next": following}) if following != "/" else ""),
        form_token=csrf.token(request.app.state.settings.secret, FORM),
        is_possible=session.cookie_name(request) is not None,
    )


async def _is_signed_in(request: Request) -> bool:
    database: Database = request.app.state.database
    async with database.transaction() as reader:
        hashed = session.token_hash(session.token_of(request))
        return await reader.one(session.Visitor, "visitor", token_hash=hashed) is not None


def local_path(following: str) -> str:
    """Where to go after signing in: a path on this server, whatever the address asks for."""
    is_path = following.startswith("/") and not following.startswith(("//", "/\\"))
    return following if is_path and following.isprintable() and "\\" not in following else "/"
