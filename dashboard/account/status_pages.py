"""The account's status pages: which there are, what each shows."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import forms
from dashboard.account import joining
from dashboard.forms import Submission
from dashboard.monitors import listed
from dashboard.rendering import settings_page
from dashboard.rows.status_page import StatusPage
from dashboard.session import visit

PATH = "/settings/status-pages"
SAID = {"saved": "Saved. It may take half a minute to be seen.", "removed": "It is gone."}


async def show(request: Request, *, status: int = 200, **values: Any) -> Response:
    """Answer ``/settings/status-pages``; ``?slug=``: with that page's values in the form."""
    async with visit(request) as (visitor, reader):
        pages = await reader.all(StatusPage, "status_pages")
        monitors = await listed(reader)
    slug = request.query_params.get("slug", "")
    return settings_page(
        request,
        "status-pages",
        visitor,
        status,
        said=SAID.get(request.query_params.get("done", "")),
        pages=pages,
        monitors=monitors,
        chosen=next((page for page in pages if page.slug == slug), None),
        address=joining.public_url(request),
        **values,
    )


@forms.action(show)
async def save(given: Submission) -> str:
    """Make a page, or change the one of that address."""
    await given.reader.run(
        "save_status_page",
        slug=given.form.text("slug"),
        title=given.form.text("title"),
        monitor_ids=given.form.numbers("monitor"),
    )
    return f"{PATH}?done=saved"


@forms.action(show)
async def remove(given: Submission) -> str:
    """Show it to nobody any more."""
    await given.reader.run("remove_status_page", id=given.form.number("id"))
    given.afterwards.append(given.request.app.state.status_pages.clear)
    return f"{PATH}?done=removed"


ROUTES = [
    Route(PATH, show),
    Route(f"{PATH}/save", save, methods=["POST"]),
    Route(f"{PATH}/remove", remove, methods=["POST"]),
]
