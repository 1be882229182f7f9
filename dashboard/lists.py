"""The lists of the account as data to take along: what its pages show as tables, all rows of it.

Whoever may see the page may take its list. The numbers of a monitor's charts are `monitor_data`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import line, overview, parquet
from dashboard.db import Reader
from dashboard.errors import NotFound
from dashboard.incidents import NEWEST
from dashboard.locations import TROUBLES_AGE
from dashboard.number import IDENTITY_MAX, whole
from dashboard.rows.channel import Channel
from dashboard.rows.figures import DayColumns
from dashboard.rows.incident import Incident
from dashboard.rows.location import Agent, Trouble
from dashboard.rows.maintenance import Maintenance, MaintenanceRule
from dashboard.rows.monitor import Watched
from dashboard.rows.people import ApiToken, AuditEntry, Invitation, Member, Session
from dashboard.rows.report_schedule import ReportSchedule
from dashboard.rows.status_page import StatusPage
from dashboard.session import Visitor, visit
from vantage import spreadsheet

MOST_ROWS = 100_000
MEDIA_TYPES = {
    "csv": "text/csv",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
}


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
    "maintenance": List(Maintenance, "maintenance"),
    "maintenance-rules": List(MaintenanceRule, "maintenance_rules"),
    "report-schedules": List(ReportSchedule, "report_schedules"),
    "audit": List(AuditEntry, "audit_log", {"before": NEWEST, "count": MOST_ROWS}, owner),
}


async def answer(request: Request) -> Response:
    """Answer ``/lists/{list}.csv``, ``.json`` and ``.parquet``; monitors and incidents as their
    pages filter them."""
    name, form = request.path_params["list"], request.path_params["form"]
    async with visit(request) as (visitor, reader):
        wanted = LISTS.get(name)
        if wanted is None or form not in MEDIA_TYPES or not wanted.may(visitor):
            raise NotFound("There is no such list.")
        if wanted.shape is MonitorDay:
            rows: Sequence[Any] = await _monitors(request, reader)
        else:
            parameters = dict(wanted.parameters)
            if wanted.shape is Incident:
                asked = request.query_params.get("monitor", "")
                parameters["monitor_id"] = whole(asked, IDENTITY_MAX)
            rows = await reader.all(wanted.shape, wanted.statement, **parameters)
    return Response(
        _encoded(form, wanted.shape, rows),
        media_type=MEDIA_TYPES[form],
        headers={"Content-Disposition": f'attachment; filename="{name}.{form}"'},
    )


def _encoded(form: str, shape: type[Any], rows: Sequence[Any]) -> bytes:
    if form == "json":
        return msgspec.json.encode(rows)
    if form == "parquet":
        return parquet.encode(shape, rows)
    names = [each.name for each in fields(shape)]
    return spreadsheet.encode([names, *(asdict(row).values() for row in rows)])


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


ROUTES = [Route("/lists/{list}.{form}", answer)]
