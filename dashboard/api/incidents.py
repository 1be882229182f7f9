"""``/incidents``: outages that enough locations agreed on, and what was done about them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request

from dashboard.api.access import BASIC, BEARER, using
from dashboard.api.schemas import (
    Evidence,
    Incident,
    IncidentDetails,
    IncidentEvent,
    IncidentId,
    Limit,
    Note,
    Page,
)
from dashboard.db import Reader
from dashboard.errors import NotFound

ROUTER = APIRouter(
    prefix="/incidents", tags=["Incidents"], dependencies=[Depends(BEARER), Depends(BASIC)]
)
ALL: dict[str, Any] = {"id": None, "monitor_id": None, "is_open": None, "before": None}


async def find(reader: Reader, incident_id: int) -> IncidentDetails:
    """The account's incident and everything about it. Raises: NotFound."""
    found = await reader.one(Incident, "incidents", **{**ALL, "id": incident_id, "count": 1})
    if found is None:
        raise NotFound("There is no such incident in your account.")
    return IncidentDetails(
        **found.model_dump(),
        evidence=await reader.all(Evidence, "evidence", id=incident_id),
        events=await reader.all(IncidentEvent, "incident_events", id=incident_id),
    )


@ROUTER.get("", summary="List incidents")
async def list_incidents(
    request: Request,
    state: Annotated[
        Literal["open", "closed"] | None, Query(description="Only these; all unless given.")
    ] = None,
    monitor: Annotated[
        int | None, Query(ge=1, lt=2**31, description="Only of this monitor.")
    ] = None,
    limit: Limit = 100,
    after: Annotated[int | None, Query(ge=1, lt=2**63, description="The `next` of a page.")] = None,
) -> Page[Incident]:
    """The account's incidents, the newest first; one that is recovering is open still."""
    asked = {
        **ALL,
        "monitor_id": monitor,
        "is_open": None if state is None else state == "open",
        "before": after,
    }
    async with using(request, "read") as reader:
        found = await reader.all(Incident, "incidents", **asked, count=limit + 1)
    following = str(found[limit - 1].id) if len(found) > limit else None
    return Page(items=found[:limit], next=following)


@ROUTER.get("/{incident_id}", summary="Read an incident")
async def read_incident(request: Request, incident_id: IncidentId) -> IncidentDetails:
    """One incident with what each location saw and what happened."""
    async with using(request, "read") as reader:
        return await find(reader, incident_id)


@ROUTER.post("/{incident_id}/acknowledge", summary="Take an incident on")
async def acknowledge_incident(request: Request, incident_id: IncidentId) -> IncidentDetails:
    """Say that somebody takes care of it; the first one to say so stays. Scope: write."""
    async with using(request, "write") as reader:
        await reader.run("acknowledge_incident", id=incident_id)
        return await find(reader, incident_id)


@ROUTER.post("/{incident_id}/notes", status_code=201, summary="Add a note to an incident")
async def note_incident(request: Request, incident_id: IncidentId, note: Note) -> IncidentDetails:
    """Write down what was found or done. Scope: write."""
    async with using(request, "write") as reader:
        await reader.run("note_incident", id=incident_id, text=note.text)
        return await find(reader, incident_id)


@ROUTER.put("/{incident_id}/post-mortem", summary="Write an incident's post-mortem")
async def write_post_mortem(
    request: Request, incident_id: IncidentId, text: Note
) -> IncidentDetails:
    """Say what it was and what follows from it, instead of what was said before. Scope: write."""
    async with using(request, "write") as reader:
        await reader.run("write_post_mortem", id=incident_id, text=text.text)
        return await find(reader, incident_id)
