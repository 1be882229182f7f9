"""Where a person is signed in, and how they end that."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import forms
from dashboard.forms import Submission
from dashboard.rendering import settings_page
from dashboard.rows.people import Session
from dashboard.session import visit

PATH = "/settings/sessions"
SAID = {"ended": "Signed out there.", "others": "Signed out everywhere but here."}


async def show(request: Request, *, status: int = 200, **values: Any) -> Response:
    """Answer ``/settings/sessions``."""
    async with visit(request) as (visitor, reader):
        sessions = await reader.all(Session, "sessions")
    said = SAID.get(request.query_params.get("done", ""))
    return settings_page(
        request, "sessions", visitor, status, said=said, sessions=sessions, **values
    )


@forms.action(show)
async def end(given: Submission) -> str:
    """Sign out somewhere else."""
    await given.reader.run("revoke_session", id=given.form.number("id"))
    return f"{PATH}?done=ended"


@forms.action(show)
async def end_others(given: Submission) -> str:
    """Sign out everywhere but here."""
    await given.reader.run("revoke_other_sessions", id=given.visitor.session_id)
    return f"{PATH}?done=others"


ROUTES = [
    Route(PATH, show),
    Route(f"{PATH}/end", end, methods=["POST"]),
    Route(f"{PATH}/end-others", end_others, methods=["POST"]),
]
