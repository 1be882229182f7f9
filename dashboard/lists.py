"""The lists of the account as data to take along: what its pages show as tables, all rows of it;
and those of one incident.

Whoever may see the page may take its list. The numbers of a monitor's charts are `monitor_data`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import incidents, line, overview, table
from dashboard.account.plan import TOLD as LICENCE_MAILS
from dashboard.db import Reader
from dashboard.errors import NotFound
from dashboard.incidents import NEWEST
from dashboard.locations import TROUBLES_AGE
from dashboard.number import IDENTITY_MAX, whole
from dashboard.rows.channel import Channel, Notification
from dashboard.rows.figures import DayColumns
from dashboard.rows.incident import Event, Evidence, Incident
from dashboard.rows.location import Agent, Trouble
from dashboard.rows.mail import QueuedMail
from dashboard.rows.maintenance import Maintenance, MaintenanceRule
from dashboard.rows.monitor import Watched
from dashboard.rows.people import ApiToken, AuditEntry, Invitation, Member, Session
from dashboard.rows.report_schedule import ReportSchedule
from dashboard.rows.status_page import StatusPage
from dashboard.session import Visitor, visit

MOST_ROWS = 100_000


def anybody(_: Visitor) -> bool:
    """Whether they may take it: whoever is of the account."""
    return True


def owner(visitor: Visitor) -> bool:
    """The same: only owners."""
    return visitor.is_owner


def operator(visitor: Visitor) -> bool:
    """The same: only who runs the installation."""
    return visitor.is_operator


@dataclass(frozen=True, slots=True)
class List:
    """Rows of one shape, and the statement that gives them; ``may``: who may take them."""

    shape: type[Any]
    statement: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    may: Callable[[Visitor], bool] = anybody


@dataclass(frozen=True, slots=True)
class MonitorDay:
    """A monitor as the overview shows it: how it stands, and its last 24 hours.

    ``up`` to ``waiting``: at so many locations. Microseconds are None where nothing passed.
    """

    id: int
    name: str
    url: str
    tags: list[str]
    state: str
    up: int
    slow: int
    down: int
    missing: int
    waiting: int
    checks: int
    failed: int
    median_us: int | None
    p95_us: int | None


EVERY_INCIDENT = {"id": None, "is_open": None, "before": None, "count": MOST_ROWS}
LISTS = {
    "monitors": List(MonitorDay, "watched"),
    "incidents": List(Incident, "incidents", EVERY_INCIDENT),
    "agents": List(Agent, "agents", may=operator),
    "troubles": List(Trouble, "location_troubles", {"age": TROUBLES_AGE}, operator),
    "members": List(Member, "members"),
    "invitations": List(Invitation, "invitations"),
    "sessions": List(Session, "sessions"),
    "tokens": List(ApiToken, "api_tokens"),
    "status-pages": List(StatusPage, "status_pages"),
    "channels": List(Channel, "channels"),
    "notifications": List(Notification, "notifications", {"count": MOST_ROWS}),
    "maintenance": List(Maintenance, "maintenance"),
    "maintenance-rules": List(MaintenanceRule, "maintenance_rules"),
    "report-schedules": List(ReportSchedule, "report_schedules"),
    "report-mails": List(QueuedMail, "queued_mails", {"kinds": ["report"], "count": MOST_ROWS}),
    "licence-mails": List(
        QueuedMail, "queued_mails", {"kinds": list(LICENCE_MAILS), "count": MOST_ROWS}, owner
    ),
    "audit": List(AuditEntry, "audit_log", {"before": NEWEST, "count": MOST_ROWS}, owner),
}
OF_INCIDENT = {"evidence": List(Evidence, "evidence"), "events": List(Event, "incident_events")}


async def answer(request: Request) -> Response:
    """Answer ``/lists/{list}.csv``, ``.json`` and ``.parquet``; monitors and incidents as their
    pages filter them."""
    name, form = request.path_params["list"], request.path_params["form"]
    async with visit(request) as (visitor, reader):
        wanted = _wanted(LISTS, name, form, visitor)
        if wanted.shape is MonitorDay:
            rows: Sequence[Any] = await _monitors(request, reader)
        else:
            parameters = dict(wanted.parameters)
            if wanted.shape is Incident:
                asked = request.query_params.get("monitor", "")
                parameters["monitor_id"] = whole(asked, IDENTITY_MAX)
            rows = await reader.all(wanted.shape, wanted.statement, **parameters)
    return table.attached(name, form, wanted.shape, rows)


async def answer_of_incident(request: Request) -> Response:
    """Answer ``/incidents/{id}/{list}.csv``, ``.json`` and ``.parquet``."""
    name, form = request.path_params["list"], request.path_params["form"]
    async with visit(request) as (visitor, reader):
        wanted = _wanted(OF_INCIDENT, name, form, visitor)
        incident = await incidents.find(reader, request.path_params["incident_id"])
        rows = await reader.all(wanted.shape, wanted.statement, id=incident.id)
    return table.attached(f"incident-{incident.id}-{name}", form, wanted.shape, rows)


def _wanted(known: Mapping[str, List], name: str, form: str, visitor: Visitor) -> List:
    """Raises: NotFound also where they may not take it."""
    wanted = known.get(name)
    if wanted is None or form not in table.MEDIA_TYPES or not wanted.may(visitor):
        raise NotFound("There is no such list.")
    return wanted


async def _monitors(request: Request, reader: Reader) -> list[MonitorDay]:
    asked = overview.Asked.parse(request)
    found = asked.found(await reader.all(Watched, "watched"))
    days = await line.days(reader, [monitor.id for monitor in found], datetime.now(UTC))
    return [_monitor(monitor, days.get(monitor.id)) for monitor in found]


def _monitor(monitor: Watched, day: DayColumns | None) -> MonitorDay:
    return MonitorDay(
        monitor.id,
        monitor.name,
        monitor.url,
        monitor.tags,
        monitor.state,
        monitor.up,
        monitor.slow,
        monitor.down,
        monitor.missing,
        monitor.waiting,
        checks=sum(day.checks) if day else 0,
        failed=sum(day.failed) if day else 0,
        median_us=day.median_us if day else None,
        p95_us=day.p95_us if day else None,
    )


ROUTES = [
    Route("/lists/{list}.{form}", answer),
    Route("/incidents/{incident_id:int}/{list}.{form}", answer_of_incident),
]
