"""Coming in by a link that was sent by mail: registering, being invited, setting a new password.

Whether an address is known is told to nobody but the address itself.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import csrf, forms, passwords, session, signing
from dashboard.attempts import Attempts, address_of
from dashboard.db import Database, Reader
from dashboard.errors import NotFound, TooMany, Unacceptable
from dashboard.forms import Form
from dashboard.mail import Mailer
from dashboard.passwords import Passwords
from dashboard.rendering import page
from dashboard.rows.answer import Answer
from dashboard.settings import Settings

LIFETIMES = {
    "register": timedelta(hours=24),
    "invite": timedelta(days=7),
    "reset": timedelta(hours=1),
    "email": timedelta(hours=24),
}
FORM = "joining"


@dataclass(frozen=True, slots=True)
class Link:
    """What a link is about; None where that is not its purpose's."""

    email: str
    name: str | None
    account: str | None
    role: str | None
    invited_by: str | None


@dataclass(frozen=True, slots=True)
class Joined:
    """Whose link was used."""

    id: int


def link(request: Request, path: str, token: str) -> str:
    """The address of a page that a mail leads to; the token stays out of paths and so of logs."""
    return f"{public_url(request)}{path}?{urlencode({'token': token})}"


def public_url(request: Request) -> str:
    """How people reach this report centre. Never from the request's headers where mail is sent:
    whoever asks for a mail must not choose where its link leads."""
    settings: Settings = request.app.state.settings
    return settings.public_url or str(request.base_url).rstrip("/")


def limit(request: Request, email: str) -> None:
    """Count a mail that is asked for. Raises: TooMany."""
    mailings: Attempts = request.app.state.mailings
    strangers: Attempts = request.app.state.strangers
    now = time.monotonic()
    mailings.count(email.lower(), now)
    strangers.count(address_of(request), now)


# Registering --------------------------------------------------------------------------------------


async def register_form(request: Request) -> Response:
    """Answer ``/register``."""
    return _ask(request, "register")


async def register(request: Request) -> Response:
    """Send a link to the address, which makes the account when it is used."""
    _must_be_open(request)
    return await _send_link(request, "register", "/register/finish")


async def reset_form(request: Request) -> Response:
    """Answer ``/reset``."""
    return _ask(request, "reset")


async def reset(request: Request) -> Response:
    """Send a link to the address, if somebody has it."""
    return await _send_link(request, "reset", "/reset/finish")


async def _send_link(request: Request, purpose: str, path: str) -> Response:
    form = await forms.read(request, FORM)
    mailer: Mailer = request.app.state.mailer
    database: Database = request.app.state.database
    email = form.text("email")
    token = session.new_token()
    values: dict[str, Any] = {"email": email, "token_hash": session.token_hash(token)}
    if purpose == "register":
        values["name"] = form.text("name")
    try:
        limit(request, email)
        async with database.transaction() as reader:
            lifetime = LIFETIMES[purpose]
            answer = await reader.the(Answer, f"begin_{purpose}", lifetime=lifetime, **values)
    except (Unacceptable, TooMany) as error:
        status = 429 if isinstance(error, TooMany) else 400
        return _ask(request, purpose, status, error=str(error), form=form)
    if answer.is_done:
        mailer.send(email, purpose, name=form.text("name"), link=link(request, path, token))
    elif purpose == "register":
        mailer.send(email, "known", link=public_url(request) + "/reset")
    return page(request, "account/sent.html", purpose=purpose, email=email)


def _ask(request: Request, purpose: str, status: int = 200, **values: Any) -> Response:
    mailer: Mailer = request.app.state.mailer
    settings: Settings = request.app.state.settings
    return page(
        request,
        f"account/{purpose}.html",
        status,
        is_open=settings.registration == "open",
        is_mail_there=mailer.is_there,
        form_token=csrf.token(settings.secret, FORM),
        **{"error": "", "form": Form(), **values},
    )


def _must_be_open(request: Request) -> None:
    settings: Settings = request.app.state.settings
    if settings.registration != "open":
        raise NotFound("Nobody can register here. Ask who runs this report centre.")


# Using a link -------------------------------------------------------------------------------------

PURPOSES = {"/register/finish": "register", "/invitation": "invite", "/reset/finish": "reset"}


async def finish_form(request: Request) -> Response:
    """Show the form that a link leads to: a password, and for an invitation a name."""
    return await _finish(request)


async def _finish(request: Request, status: int = 200, **values: Any) -> Response:
    purpose = PURPOSES[request.url.path]
    token = request.query_params.get("token", "")
    database: Database = request.app.state.database
    async with database.transaction() as reader:
        found = await find(reader, purpose, token)
    return page(
        request,
        "account/finish.html",
        status,
        purpose=purpose,
        link=found,
        action=f"{request.url.path}?{urlencode({'token': token})}",
        form_token=csrf.token(request.app.state.settings.secret, token),
        **{"error": "", "form": Form(), **values},
    )


async def finish(request: Request) -> Response:
    """Use the link: make the person or set their password, and sign them in."""
    purpose = PURPOSES[request.url.path]
    token = request.query_params.get("token", "")
    form = await forms.read(request, token)
    hasher: Passwords = request.app.state.passwords
    database: Database = request.app.state.database
    try:
        if session.cookie_name(request) is None:
            raise Unacceptable("Open this page over https: plain http would show your password.")
        async with database.transaction() as reader:
            found = await find(reader, purpose, token)
            passwords.check(form["password"], found.email, found.name or form.text("name"))
            values = {
                "token_hash": session.token_hash(token),
                "password_hash": await hasher.hash(form["password"]),
            }
            if purpose == "invite":
                values["name"] = form.text("name")
            joined = await reader.the(Joined, FINISHING[purpose], **values)
            if form["product"] == "yes":
                await reader.run("choose_product_mail_joining", user_id=joined.id)
            return await signing.start(request, reader, joined.id, "/")
    except Unacceptable as error:
        return await _finish(request, 400, error=str(error), form=form)


FINISHING = {
    "register": "finish_registration",
    "invite": "finish_invitation",
    "reset": "finish_reset",
}


async def find(reader: Reader, purpose: str, token: str) -> Link:
    """What a link is about. Raises: NotFound."""
    found = await reader.one(Link, "link", purpose=purpose, token_hash=session.token_hash(token))
    if found is None:
        raise NotFound("This link has been used already or is too old. Ask for a new one.")
    return found


ROUTES = [
    Route("/register", register_form),
    Route("/register", register, methods=["POST"]),
    Route("/reset", reset_form),
    Route("/reset", reset, methods=["POST"]),
    *(Route(path, finish_form) for path in PURPOSES),
    *(Route(path, finish, methods=["POST"]) for path in PURPOSES),
]
