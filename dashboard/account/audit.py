"""The audit log: who did what, and when. For owners."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard.errors import Forbidden
from dashboard.number import whole
from dashboard.rendering import settings_page
from dashboard.rows.people import AuditEntry
from dashboard.session import visit

PATH = "/settings/audit"
PER_PAGE = 50
NEWEST = 2**63 - 1


async def show(request: Request) -> Response:
    """Answer ``/settings/audit``."""
    before = whole(request.query_params.get("before", ""), NEWEST)
    before = NEWEST if before is None else before
    async with visit(request) as (visitor, reader):
        if not visitor.is_owner:
            raise Forbidden("Only owners of the account read the audit log.")
        entries = await reader.all(AuditEntry, "audit_log", before=before, count=PER_PAGE + 1)
    return settings_page(
        request,
        "audit",
        visitor,
        entries=entries[:PER_PAGE],
        is_first=before == NEWEST,
        following=entries[PER_PAGE - 1].id if len(entries) > PER_PAGE else None,
    )


ROUTES = [Route(PATH, show)]
