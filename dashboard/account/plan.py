"""The account's plan and licence: what it may have, and until when."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard.rendering import settings_page
from dashboard.rows.mail import Mailed
from dashboard.rows.plan import Plan
from dashboard.session import visit

PATH = "/settings/plan"
TOLD = {
    "trial_ends": "The trial ends",
    "licence_ends": "The licence ends",
    "grace_began": "The licence has ended",
    "expired": "Monitors are paused",
    "renewed": "The licence is renewed",
}


async def show(request: Request, *, status: int = 200, **values: Any) -> Response:
    """Answer ``/settings/plan``."""
    async with visit(request) as (visitor, reader):
        plan = await reader.the(Plan, "plan")
        mails = await reader.all(Mailed, "mails", kinds=list(TOLD)) if visitor.is_owner else []
    return settings_page(
        request, "plan", visitor, status, plan=plan, mails=mails, told=TOLD, **values
    )


ROUTES = [
    Route(PATH, show),
]
