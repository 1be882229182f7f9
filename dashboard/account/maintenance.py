"""When the account works on what is watched: planned once, or again and again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import forms
from dashboard.account.profile import zones
from dashboard.errors import Unacceptable
from dashboard.forms import Submission
from dashboard.monitors import listed
from dashboard.rendering import settings_page
from dashboard.rows.maintenance import Became, Maintenance, MaintenanceRule
from dashboard.session import visit

PATH = "/settings/maintenance"
SAID = {
    "added": "It is planned.",
    "ended": "It ends now.",
    "removed": "It is removed.",
    "undone": "It is removed. It was over: its time counts for availability again.",
}
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
REPEATS = {
    "": "Once",
    "FREQ=DAILY": "Every day",
    "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR": "On working days",
    "FREQ=WEEKLY": "Every week, on that day",
    "FREQ=MONTHLY": "Every month, on that day",
    "own": "By a rule of RFC 5545:",
}
LENGTHS = {
    900: "15 minutes",
    1_800: "30 minutes",
    3_600: "1 hour",
    7_200: "2 hours",
    14_400: "4 hours",
    28_800: "8 hours",
    86_400: "1 day",
    604_800: "7 days",
}


async def show(request: Request, *, status: int = 200, **values: Any) -> Response:
    """Answer ``/settings/maintenance``."""
    async with visit(request) as (visitor, reader):
        windows = await reader.all(Maintenance, "maintenance")
        rules = await reader.all(MaintenanceRule, "maintenance_rules")
        monitors = await listed(reader)
    now = datetime.now(ZoneInfo(visitor.time_zone or "UTC"))
    windows.sort(key=lambda window: window.place(now))
    return settings_page(
        request,
        "maintenance",
        visitor,
        status,
        said=SAID.get(request.query_params.get("done", "")),
        windows=windows,
        rules=rules,
        monitors=monitors,
        names={monitor.id: monitor.name for monitor in monitors},
        zones=zones(),
        soon=now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1),
        repeats=REPEATS,
        lengths=LENGTHS,
        **values,
    )


@forms.action(show)
async def add(given: Submission) -> str:
    """Plan a window, or a rule that makes windows."""
    form = given.form
    zone, begins = form["zone"], form["begins"]
    if zone not in zones():
        raise Unacceptable("Choose a time zone of the list.")
    try:
        first_at = datetime.strptime(begins, "%Y-%m-%dT%H:%M")
    except ValueError as error:
        raise Unacceptable(
            f"“{begins[:40]}” is no time to begin at. It has the form 2026-11-30T02:00."
        ) from error
    about = {
        "monitor_id": form.number("monitor") or None,
        "duration_s": form.number("lasts"),
        "title": form.text("title"),
    }
    repeat = form["repeat"]
    if not repeat:
        from_at = first_at.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        await given.reader.run("add_maintenance", from_at=from_at, **about)
        return f"{PATH}?done=added"
    rule = form.text("rule").upper() if repeat == "own" else repeat
    if rule == "FREQ=MONTHLY":
        rule += f";BYMONTHDAY={first_at.day}"
    elif rule == "FREQ=WEEKLY":
        rule += f";BYDAY={DAYS[first_at.weekday()]}"
    await given.reader.run(
        "add_maintenance_rule", first_at=first_at, time_zone=zone, rule=rule, **about
    )
    return f"{PATH}?done=added"


@forms.action(show)
async def end(given: Submission) -> str:
    """End a window that lasts, or remove one."""
    became = await given.reader.the(Became, "end_maintenance", id=given.form.number("id"))
    return f"{PATH}?done={became.became}"


@forms.action(show)
async def remove_rule(given: Submission) -> str:
    """Remove a rule and its windows to come."""
    await given.reader.run("remove_maintenance_rule", id=given.form.number("id"))
    return f"{PATH}?done=removed"


ROUTES = [
    Route(PATH, show),
    Route(f"{PATH}/add", add, methods=["POST"]),
    Route(f"{PATH}/end", end, methods=["POST"]),
    Route(f"{PATH}/remove-rule", remove_rule, methods=["POST"]),
]
