"""Incidents: which there are, what happened in each, and what people do about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import forms, words
from dashboard.db import Reader
from dashboard.errors import NotFound
from dashboard.forms import Form, Submission
from dashboard.number import IDENTITY_MAX, whole
from dashboard.rendering import page
from dashboard.rows.incident import Event, Evidence, Incident
from dashboard.session import visit
from dashboard.view import tz_of
from vantage.failure import cause

PER_PAGE = 50
OPEN_MAX = 500
NEWEST = 2**63 - 1

EVENTS = {
    "opened": "Opened",
    "updated": "Another location fails",
    "worsened": "Now down",
    "recovered": "Well again; it closes when that lasts",
    "relapsed": "Failing again",
    "closed": "Closed",
    "reopened": "Failing again soon after, so reopened",
    "silenced": "Silenced: something it depends on is down",
    "unsilenced": "No longer silenced",
    "acknowledged": "Acknowledged",
    "noted": "Note",
    "post_mortem": "Post-mortem written",
}


@dataclass(slots=True)
class Witness:
    """What one location saw. ``well`` None: it has not been well since."""

    location: str
    title: str
    first: Evidence | None = None
    last: Evidence | None = None
    well: Evidence | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """Incidents on one page; ``following``: where the next page begins."""

    open: list[Incident] = field(default_factory=list)
    closed: list[Incident] = field(default_factory=list)
    following: int | None = None


async def listed(
    reader: Reader, *, monitor_id: int | None = None, before: int | None = None
) -> Listed:
    """What is open, on the first page only, and a page of what is not."""
    asked: dict[str, Any] = {"id": None, "monitor_id": monitor_id}
    opened: list[Incident] = []
    if before is None:
        opened = await reader.all(
            Incident, "incidents", is_open=True, before=None, count=OPEN_MAX, **asked
        )
    closed = await reader.all(
        Incident, "incidents", is_open=False, before=before, count=PER_PAGE + 1, **asked
    )
    following = closed[PER_PAGE - 1].id if len(closed) > PER_PAGE else None
    return Listed(opened, closed[:PER_PAGE], following)


async def find(reader: Reader, incident_id: int) -> Incident:
    """The account's incident. Raises: NotFound."""
    found = None
    if incident_id <= NEWEST:
        found = await reader.one(
            Incident,
            "incidents",
            id=incident_id,
            monitor_id=None,
            is_open=None,
            before=None,
            count=1,
        )
    if found is None:
        raise NotFound("There is no such incident in your account.")
    return found


def witnesses(evidence: Sequence[Evidence]) -> list[Witness]:
    """Gather what each location saw, who failed first at the beginning."""
    found: dict[str, Witness] = {}
    for each in evidence:
        witness = found.setdefault(each.location, Witness(each.location, each.title))
        setattr(witness, each.which, each)
    return sorted(found.values(), key=lambda witness: _began(witness))


def _began(witness: Witness) -> tuple[datetime, str]:
    seen = witness.first or witness.last or witness.well
    assert seen is not None  # noqa: S101 - a witness is made of its evidence
    return seen.slot_at, witness.location


async def show_all(request: Request) -> Response:
    """Answer ``/incidents``; ``?monitor=``: of that one only."""
    monitor_id = whole(request.query_params.get("monitor", ""), IDENTITY_MAX)
    before = whole(request.query_params.get("before", ""), NEWEST)
    async with visit(request) as (visitor, reader):
        found = await listed(reader, monitor_id=monitor_id, before=before)
    number = len(found.open)
    sentence = f"{words.count(number, 'incident')} open" if number else "No incident is open"
    return page(
        request,
        "incidents.html",
        visitor=visitor,
        found=found,
        sentence=sentence,
        monitor_id=monitor_id,
        is_first=before is None,
        tz=tz_of(request.query_params),
    )


async def show(request: Request, *, status: int = 200, **values: Any) -> Response:
    """Answer ``/incidents/{id}``."""
    async with visit(request) as (visitor, reader):
        incident = await find(reader, request.path_params["incident_id"])
        evidence = await reader.all(Evidence, "evidence", id=incident.id)
        events = await reader.all(Event, "incident_events", id=incident.id)
    causes = [each for each in evidence if each.failure == incident.cause]
    causes.sort(key=lambda each: each.slot_at)
    return page(
        request,
        "incident.html",
        status,
        visitor=visitor,
        incident=incident,
        cause=cause(incident.cause, causes[-1].http_status if causes else None),
        witnesses=witnesses(evidence),
        events=events,
        event_words=EVENTS,
        phases=words.PHASES,
        tz=tz_of(request.query_params),
        **{"error": "", "form": Form(), **values},
    )


@forms.action(show)
async def acknowledge(given: Submission) -> str:
    """Say that somebody takes care of it."""
    return await _do(given, "acknowledge_incident")


@forms.action(show)
async def note(given: Submission) -> str:
    """Write something down about it."""
    return await _do(given, "note_incident", text=given.form["note"])


@forms.action(show)
async def write_post_mortem(given: Submission) -> str:
    """Say what was learned."""
    return await _do(given, "write_post_mortem", text=given.form["post_mortem"])


async def _do(given: Submission, statement: str, **values: Any) -> str:
    incident = await find(given.reader, given.request.path_params["incident_id"])
    values = {name: value.replace("\0", "") for name, value in values.items()}
    await given.reader.run(statement, id=incident.id, **values)
    return f"/incidents/{incident.id}"


ROUTES = [
    Route("/incidents", show_all),
    Route("/incidents/{incident_id:int}", show),
    Route("/incidents/{incident_id:int}/acknowledge", acknowledge, methods=["POST"]),
    Route("/incidents/{incident_id:int}/note", note, methods=["POST"]),
    Route("/incidents/{incident_id:int}/post-mortem", write_post_mortem, methods=["POST"]),
]
