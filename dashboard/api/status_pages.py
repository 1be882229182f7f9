"""``/status-pages``: pages that anybody may read."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from dashboard.account import joining
from dashboard.api.access import BASIC, BEARER, using
from dashboard.api.telling_schemas import Slug, StatusPage, StatusPageValues
from dashboard.db import Reader
from dashboard.errors import NotFound
from dashboard.rows.status_page import StatusPage as Row

ROUTER = APIRouter(
    prefix="/status-pages", tags=["Status pages"], dependencies=[Depends(BEARER), Depends(BASIC)]
)


async def find(reader: Reader, slug: str) -> Row:
    """The account's page of this address. Raises: NotFound."""
    for row in await reader.all(Row, "status_pages"):
        if row.slug == slug:
            return row
    raise NotFound("There is no such status page in your account.")


def _shown(request: Request, row: Row) -> StatusPage:
    url = f"{joining.public_url(request)}/status/{row.slug}"
    return StatusPage(slug=row.slug, title=row.title, monitor_ids=row.monitor_ids, url=url)


@ROUTER.get("", summary="List status pages")
async def list_status_pages(request: Request) -> list[StatusPage]:
    """Every status page of the account."""
    async with using(request, "read") as reader:
        return [_shown(request, row) for row in await reader.all(Row, "status_pages")]


@ROUTER.get("/{slug}", summary="Read a status page")
async def read_status_page(request: Request, slug: Slug) -> StatusPage:
    """One status page: what it is about."""
    async with using(request, "read") as reader:
        return _shown(request, await find(reader, slug))


@ROUTER.put(
    "/{slug}",
    summary="Make or change a status page",
    responses={201: {"model": StatusPage, "description": "It is made."}},
)
async def save_status_page(
    request: Request, response: Response, slug: Slug, values: StatusPageValues
) -> StatusPage:
    """Show these monitors at this address; 201 where there was no page. Scope: write."""
    async with using(request, "write") as reader:
        known = await reader.all(Row, "status_pages")
        await reader.run("save_status_page", slug=slug, **values.model_dump())
        saved = await find(reader, slug)
    if all(row.slug != slug for row in known):
        response.status_code = 201
    return _shown(request, saved)


@ROUTER.delete("/{slug}", status_code=204, summary="Remove a status page")
async def remove_status_page(request: Request, slug: Slug) -> None:
    """Show it to nobody any more. Scope: write."""
    async with using(request, "write") as reader:
        await reader.run("remove_status_page", id=(await find(reader, slug)).id)
    request.app.state.status_pages.clear()
