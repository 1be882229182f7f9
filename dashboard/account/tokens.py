"""API tokens: made here, shown once, revoked here."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import forms, session
from dashboard.errors import Unacceptable
from dashboard.forms import Submission
from dashboard.rendering import settings_page
from dashboard.rows.people import ApiToken
from dashboard.session import visit

PATH = "/settings/tokens"
# A leaked one is found by its beginning: in logs, in repositories.
BEGINNING = "vantage_"
HINT_LENGTH = len(BEGINNING) + 4
SCOPES = {
    "read": "Read monitors, results and availability",
    "write": "Add, change and remove monitors",
    "run": "Run a monitor now",
}
LIFETIMES = {
    "30": timedelta(days=30),
    "90": timedelta(days=90),
    "365": timedelta(days=365),
    "": None,
}
SAID = {"revoked": "The token is worthless now."}


async def show(request: Request, *, status: int = 200, **values: Any) -> Response:
    """Answer ``/settings/tokens``."""
    async with visit(request) as (visitor, reader):
        tokens = await reader.all(ApiToken, "api_tokens")
    return settings_page(
        request,
        "tokens",
        visitor,
        status,
        said=SAID.get(request.query_params.get("done", "")),
        tokens=tokens,
        token_scopes=SCOPES,
        lifetimes=LIFETIMES,
        **{"fresh_token": "", **values},
    )


@forms.action(show, by_cookie=True)
async def add(given: Submission) -> dict[str, Any]:
    """Make a token, and show it this once."""
    if given.form["days"] not in LIFETIMES:
        raise Unacceptable("Choose how long the token shall live.")
    token = BEGINNING + session.new_token()
    await given.reader.run(
        "add_api_token",
        name=given.form.text("name"),
        token_hash=session.token_hash(token),
        hint=token[:HINT_LENGTH],
        scopes=given.form.all("scope"),
        lifetime=LIFETIMES[given.form["days"]],
    )
    return {"fresh_token": token}


@forms.action(show, by_cookie=True)
async def revoke(given: Submission) -> str:
    """Make a token worthless."""
    await given.reader.run("revoke_api_token", id=given.form.number("id"))
    return f"{PATH}?done=revoked"


ROUTES = [
    Route(PATH, show),
    Route(f"{PATH}/add", add, methods=["POST"]),
    Route(f"{PATH}/revoke", revoke, methods=["POST"]),
]
