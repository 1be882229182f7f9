"""``/monitors``: what is watched."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from dashboard.api.access import BASIC, BEARER, acting, using
from dashboard.api.schemas import Asked, Limit, Monitor, MonitorId, MonitorValues, Page
from dashboard.db import Reader
from dashboard.editing import as_stored
from dashboard.errors import NotFound
from dashboard.expectation import check_expressions
from dashboard.rows.answer import Added
from dashboard.secret import CLIENT_KEY, sealed
from dashboard.terms import NONE, check_certificates

ROUTER = APIRouter(
    prefix="/monitors", tags=["Monitors"], dependencies=[Depends(BEARER), Depends(BASIC)]
)


async def find(reader: Reader, monitor_id: int) -> Monitor:
    """The account's monitor. Raises: NotFound."""
    found = await reader.all(Monitor, "api_monitors", after=monitor_id - 1, count=1)
    if not found or found[0].id != monitor_id:
        raise NotFound("There is no such monitor in your account.")
    return found[0]


@ROUTER.get("", summary="List monitors")
async def list_monitors(
    request: Request,
    limit: Limit = 100,
    after: Annotated[int, Query(ge=0, lt=2**31, description="The `next` of a page.")] = 0,
) -> Page[Monitor]:
    """Every monitor of the account, in the order in which they were added."""
    async with using(request, "read") as reader:
        found = await reader.all(Monitor, "api_monitors", after=after, count=limit + 1)
    following = str(found[limit - 1].id) if len(found) > limit else None
    return Page(items=found[:limit], next=following)


@ROUTER.post("", status_code=201, summary="Add a monitor")
async def add_monitor(request: Request, response: Response, values: MonitorValues) -> Monitor:
    """Watch an address. Scope: write."""
    given = _given(values)
    async with acting(request, "write") as (visitor, reader):
        added = await reader.the(Added, "add_monitor", **_columns(values))
        check_certificates(_terms(values) or NONE, given.get(CLIENT_KEY))
        sealed_anew = await sealed(reader, visitor.account_id, added.id, given)
        await reader.run("define_monitor", id=added.id, **_definition(values), secrets=sealed_anew)
        if values.tags is not None:
            await reader.run("tag_monitor", id=added.id, tags=values.tags)
        if values.is_paused:
            await reader.run("pause_monitor", id=added.id, is_wanted=True)
        found = await find(reader, added.id)
    response.headers["Location"] = f"/api/v1/monitors/{found.id}"
    return found


@ROUTER.get("/{monitor_id}", summary="Read a monitor")
async def read_monitor(request: Request, monitor_id: MonitorId) -> Monitor:
    """One monitor."""
    async with using(request, "read") as reader:
        return await find(reader, monitor_id)


@ROUTER.put("/{monitor_id}", summary="Change a monitor")
async def change_monitor(request: Request, monitor_id: MonitorId, values: MonitorValues) -> Monitor:
    """Define a monitor anew, all of it; an empty name stays as it was. Scope: write."""
    given = _given(values)
    async with acting(request, "write") as (visitor, reader):
        before, columns = await find(reader, monitor_id), _columns(values)
        columns["name"] = columns["name"] or before.name
        check_certificates(_terms(values) or before.terms.model_dump(), given.get(CLIENT_KEY))
        sealed_anew = await sealed(reader, visitor.account_id, monitor_id, given)
        await reader.run("change_monitor", id=monitor_id, **columns, anew=list(given))
        await reader.run(
            "define_monitor", id=monitor_id, **_definition(values), secrets=sealed_anew
        )
        if values.tags is not None:
            await reader.run("tag_monitor", id=monitor_id, tags=values.tags)
        await reader.run("pause_monitor", id=monitor_id, is_wanted=values.is_paused)
        return await find(reader, monitor_id)


@ROUTER.delete("/{monitor_id}", status_code=204, summary="Remove a monitor")
async def remove_monitor(request: Request, monitor_id: MonitorId) -> None:
    """Watch no longer; the results stay until they are too old. Scope: write."""
    async with using(request, "write") as reader:
        await reader.run("remove_monitor", id=monitor_id)


@ROUTER.post("/{monitor_id}/run", status_code=202, summary="Run a monitor now")
async def run_monitor(request: Request, monitor_id: MonitorId) -> Asked:
    """Ask every location for a result at once; again within 10 s gives the same. Scope: run."""
    async with using(request, "run") as reader:
        await find(reader, monitor_id)
        return await reader.the(Asked, "run_now", monitor_id=monitor_id)


def _columns(values: MonitorValues) -> dict[str, Any]:
    return values.model_dump(
        exclude={"is_paused", "tags", "request", "terms", "secrets", "assertions"}
    )


def _terms(values: MonitorValues) -> dict[str, Any] | None:
    return None if values.terms is None else values.terms.stored


def _given(values: MonitorValues) -> dict[str, str | None]:
    return {} if values.secrets is None else values.secrets.given


def _definition(values: MonitorValues) -> dict[str, Any]:
    """What is asked, on which terms, and what is expected. Raises: Unacceptable."""
    request, assertions = values.request, values.assertions
    expected = None if assertions is None else [each.stored for each in assertions]
    check_expressions(expected or [])
    return as_stored(None if request is None else request.model_dump(), _terms(values), expected)
