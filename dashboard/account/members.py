"""The account's people: who they are, what they may do, who is asked to join."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import forms, session, words
from dashboard.account import joining
from dashboard.account.joining import LIFETIMES
from dashboard.errors import NotFound
from dashboard.forms import Submission
from dashboard.mail import Mailer
from dashboard.rendering import settings_page
from dashboard.rows.answer import Answer
from dashboard.rows.people import Invitation, Member
from dashboard.session import visit
from dashboard.settings import Settings

PATH = "/settings/members"
ROLES = {
    "owner": "Everything, people included",
    "editor": "Monitors and status pages",
    "viewer": "Reads",
}
SAID = {
    "invited": "The invitation is on its way.",
    "withdrawn": "The link of the invitation is worthless now.",
    "role": "The role is changed.",
    "removed": "They are no member any more.",
}


async def show(request: Request, *, status: int = 200, **values: Any) -> Response:
    """Answer ``/settings/members``."""
    async with visit(request) as (visitor, reader):
        members = await reader.all(Member, "members")
        invitations = await reader.all(Invitation, "invitations")
    settings: Settings = request.app.state.settings
    return settings_page(
        request,
        "members",
        visitor,
        status,
        said=SAID.get(request.query_params.get("done", "")),
        members=sorted(members, key=lambda member: words.order(member.name)),
        invitations=invitations,
        roles=ROLES,
        may_invite=visitor.is_owner and settings.registration != "closed",
        **{"fresh_link": "", **values},
    )


@forms.action(show, by_cookie=True)
async def invite(given: Submission) -> str | dict[str, Any]:
    """Send a link by which an address may join; without a mail server, show it."""
    mailer: Mailer = given.request.app.state.mailer
    settings: Settings = given.request.app.state.settings
    if settings.registration == "closed":
        raise NotFound("Nobody can be invited here. Ask who runs this report centre.")
    email = given.form.text("email")
    joining.limit(given.request, email)
    token = session.new_token()
    answer = await given.reader.the(
        Answer,
        "invite",
        email=email,
        role=given.form["role"],
        token_hash=session.token_hash(token),
        lifetime=LIFETIMES["invite"],
    )
    where = joining.link(given.request, "/invitation", token)
    if not mailer.is_there:
        return {"fresh_link": where, "fresh_email": email}
    name = "invite" if answer.is_done else "elsewhere"
    about = {"link": where, "inviter": given.visitor.name, "account": given.visitor.account}
    given.afterwards.append(lambda: mailer.send(email, name, **about))
    return f"{PATH}?done=invited"


@forms.action(show, by_cookie=True)
async def withdraw(given: Submission) -> str:
    """Make an invitation worthless."""
    await given.reader.run("withdraw_invitation", id=given.form.number("id"))
    return f"{PATH}?done=withdrawn"


@forms.action(show, by_cookie=True)
async def set_role(given: Submission) -> str:
    """Give a member another role."""
    await given.reader.run("set_role", id=given.form.number("id"), role=given.form["role"])
    return f"{PATH}?done=role"


@forms.action(show, by_cookie=True)
async def remove(given: Submission) -> str:
    """Remove a member; who removes themselves is signed out by that."""
    await given.reader.run("remove_member", id=given.form.number("id"))
    return f"{PATH}?done=removed"


ROUTES = [
    Route(PATH, show),
    Route(f"{PATH}/invite", invite, methods=["POST"]),
    Route(f"{PATH}/withdraw", withdraw, methods=["POST"]),
    Route(f"{PATH}/role", set_role, methods=["POST"]),
    Route(f"{PATH}/remove", remove, methods=["POST"]),
]
