"""A person's own settings: name, time zone, address, password; and what the account is called."""

from __future__ import annotations

import zoneinfo
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dashboard import csrf, forms, passwords, session
from dashboard.account import joining
from dashboard.account.joining import LIFETIMES
from dashboard.db import Database
from dashboard.errors import Unacceptable
from dashboard.forms import Submission
from dashboard.mail import Mailer
from dashboard.passwords import Passwords
from dashboard.rendering import page, settings_page
from dashboard.rows.answer import Answer
from dashboard.rows.people import Choices, PasswordHash
from dashboard.session import visit

PATH = "/settings"
FINISH = f"{PATH}/email/finish"
FRESH = timedelta(minutes=10)
SAID = {
    "saved": "Saved.",
    "password": "Your password is changed. Everywhere else you are signed out.",
    "mail": "A mail with a link is on its way. The address changes when you follow it.",
    "address": "Your e-mail address is changed.",
}


@cache
def zones() -> list[str]:
    """The names of the time zones that people choose from."""
    names = zoneinfo.available_timezones()
    return [*sorted(name for name in names if "/" in name and name[:4] != "Etc/"), "UTC"]


async def show(request: Request, *, status: int = 200, **values: Any) -> Response:
    """Answer ``/settings``."""
    async with visit(request) as (visitor, reader):
        stored = await reader.the(PasswordHash, "own_password_hash")
        choices = await reader.the(Choices, "own_choices")
    return settings_page(
        request,
        "profile",
        visitor,
        status,
        said=SAID.get(request.query_params.get("done", "")),
        zones=zones(),
        choices=choices,
        has_password=stored.password_hash is not None,
        **values,
    )


@forms.action(show)
async def change(given: Submission) -> str:
    """Set name and time zone."""
    await given.reader.run(
        "change_profile", name=given.form.text("name"), time_zone=given.form.text("zone") or None
    )
    return f"{PATH}?done=saved"


@forms.action(show)
async def choose_mail(given: Submission) -> str:
    """Get mail about the product, or none."""
    await given.reader.run("choose_product_mail", is_wanted=given.form["product"] == "yes")
    return f"{PATH}?done=saved"


@forms.action(show, by_cookie=True)
async def rename_account(given: Submission) -> str:
    """Name the account."""
    await given.reader.run("rename_account", name=given.form.text("account"))
    return f"{PATH}?done=saved"


@forms.action(show, by_cookie=True)
async def change_password(given: Submission) -> str:
    """Set a new password; the present one is asked for again."""
    await must_be_oneself(given)
    fresh = given.form["new"]
    passwords.check(fresh, given.visitor.email, given.visitor.name)
    hasher: Passwords = given.request.app.state.passwords
    await given.reader.run(
        "change_password",
        password_hash=await hasher.hash(fresh),
        session_id=given.visitor.session_id,
    )
    return f"{PATH}?done=password"


@forms.action(show, by_cookie=True)
async def change_email(given: Submission) -> str:
    """Send a link to the new address, which is used when the link is."""
    await must_be_oneself(given)
    mailer: Mailer = given.request.app.state.mailer
    email = given.form.text("email")
    if not mailer.is_there:
        raise Unacceptable("This report centre sends no mail, so an address cannot be verified.")
    joining.limit(given.request, email)
    token = session.new_token()
    answer = await given.reader.the(
        Answer,
        "begin_email_change",
        email=email,
        token_hash=session.token_hash(token),
        lifetime=LIFETIMES["email"],
    )
    if answer.is_done:
        where = joining.link(given.request, FINISH, token)
        given.afterwards.append(lambda: mailer.send(email, "email", link=where))
    return f"{PATH}?done=mail"


async def must_be_oneself(given: Submission) -> None:
    """See that the form holds the visitor's own password; who has none must have signed in a
    moment ago. Raises: Unacceptable."""
    hasher: Passwords = given.request.app.state.passwords
    stored = await given.reader.the(PasswordHash, "own_password_hash")
    if stored.password_hash is None:
        signed_in = await given.reader.the(
            Answer, "is_fresh", session_id=given.visitor.session_id, age=FRESH
        )
        if not signed_in.is_done:
            raise Unacceptable(
                "You have no password here, so show that it is you: sign out, sign in anew, and do "
                "this within ten minutes. Nothing was changed."
            )
    elif not await hasher.match(given.form["password"], stored.password_hash):
        raise Unacceptable("Your present password is not that. Nothing was changed.")


async def finish_email_form(request: Request) -> Response:
    """Ask first: programs that look through mail follow its links, which is nobody's consent."""
    database: Database = request.app.state.database
    token = request.query_params.get("token", "")
    async with database.transaction() as reader:
        found = await joining.find(reader, "email", token)
    return page(
        request,
        "account/address.html",
        link=found,
        action=f"{FINISH}?{urlencode({'token': token})}",
        form_token=csrf.token(request.app.state.settings.secret, token),
    )


async def finish_email(request: Request) -> Response:
    """Use the address that the link was sent to."""
    database: Database = request.app.state.database
    token = request.query_params.get("token", "")
    await forms.read(request, token)
    async with database.transaction() as reader:
        await reader.run("finish_email_change", token_hash=session.token_hash(token))
    return RedirectResponse(f"{PATH}?done=address", 303)


ROUTES = [
    Route(PATH, show),
    Route(PATH, change, methods=["POST"]),
    Route("/settings/mail", choose_mail, methods=["POST"]),
    Route("/settings/account", rename_account, methods=["POST"]),
    Route("/settings/password", change_password, methods=["POST"]),
    Route("/settings/email", change_email, methods=["POST"]),
    Route(FINISH, finish_email_form),
    Route(FINISH, finish_email, methods=["POST"]),
]
