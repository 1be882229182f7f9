"""Reports by mail: which come by themselves, to whom, and what was sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import forms, reports
from dashboard.account.profile import zones
from dashboard.errors import BadRequest, Unacceptable
from dashboard.forms import Submission
from dashboard.mail import Mailer
from dashboard.monitors import listed
from dashboard.rendering import page
from dashboard.rows.mail import Mailed
from dashboard.rows.people import Member
from dashboard.rows.report_schedule import ReportSchedule
from dashboard.session import visit

PATH = "/reports/mail"
SAID = {
    "added": "It comes by itself from now on.",
    "changed": "It is changed.",
    "removed": "It is mailed no more.",
}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
DAYS = {f"week {number}": f"Every {name}" for number, name in enumerate(WEEKDAYS, 1)} | {
    f"month {number}": f"On day {number} of every month" for number in range(1, 29)
}
"""When a report comes: its period and the day in the one after it."""


async def show(request: Request, *, status: int = 200, **values: Any) -> Response:
    """Answer ``/reports/mail``, with the form to change the one that is asked for.

    Else the address says what a new one is about, as in ``/reports``.
    """
    chosen = request.query_params.getlist("monitor")
    wanted = reports.parse(request.query_params, chosen, datetime.now(UTC))
    mailer: Mailer = request.app.state.mailer
    async with visit(request) as (visitor, reader):
        schedules = await reader.all(ReportSchedule, "report_schedules")
        mails = await reader.all(Mailed, "mails", kinds=["report"])
        monitors = await listed(reader)
        members = await reader.all(Member, "members")
    number = request.query_params.get("change", "")
    changed = next((schedule for schedule in schedules if str(schedule.id) == number), None)
    return page(
        request,
        "report_schedules.html",
        status,
        visitor=visitor,
        schedules=schedules,
        changed=changed,
        mails=mails,
        periods={mail.id: reports.Wanted.of(mail.content).title for mail in mails},
        monitors=monitors,
        names={monitor.id: monitor.name for monitor in monitors},
        members=members,
        wanted=wanted,
        days=DAYS,
        zones=zones(),
        is_mail_there=mailer.is_there,
        **{
            "error": "",
            "said": SAID.get(request.query_params.get("done", "")),
            "form": filled(changed, members) if changed else forms.Form(),
            **values,
        },
    )


def filled(schedule: ReportSchedule, members: Sequence[Member]) -> forms.Form:
    """A schedule's values as they would be typed in."""
    return forms.Form(
        {
            "name": schedule.name,
            "when": f"{schedule.period} {schedule.day}",
            "at": f"{schedule.at:%H:%M}",
            "zone": schedule.time_zone,
            "objective": f"{schedule.objective:f}",
            "limit": "" if schedule.limit_us is None else str(schedule.limit_us // 1_000),
            "share": f"{schedule.share:f}",
            "revisions": "yes" if schedule.has_revisions else "",
        },
        {
            "monitor": [str(one) for one in schedule.monitor_ids or ()],
            "member": [str(one.id) for one in members if one.email in schedule.recipients],
        },
    )


def _columns(given: Submission) -> dict[str, Any]:
    """What a report by mail is to be. Raises: Unacceptable."""
    form = given.form
    if form["when"] not in DAYS:
        raise Unacceptable("Choose a day of the list.")
    period, _, day = form["when"].partition(" ")
    try:
        wanted = reports.parse(form.fields, form.all("monitor"), datetime.now(UTC))
    except BadRequest as error:
        raise Unacceptable(str(error)) from error
    return {
        "name": form.text("name"),
        "period": period,
        "day": int(day),
        "at": form.time_of_day("at"),
        "time_zone": form["zone"],
        "monitor_ids": list(wanted.monitor_ids) or None,
        "objective": wanted.objective,
        "limit_us": wanted.limit_us,
        "share": wanted.share,
        "has_revisions": form["revisions"] == "yes",
        "user_ids": form.numbers("member"),
    }


@forms.action(show)
async def add(given: Submission) -> str:
    """Have a report mailed by itself."""
    await given.reader.run("add_report_schedule", **_columns(given))
    return f"{PATH}?done=added"


@forms.action(show)
async def change(given: Submission) -> str:
    """Change a report that is mailed; what was sent is not sent again."""
    await given.reader.run("change_report_schedule", id=given.form.number("id"), **_columns(given))
    return f"{PATH}?done=changed"


@forms.action(show)
async def remove(given: Submission) -> str:
    """Mail a report no more."""
    await given.reader.run("remove_report_schedule", id=given.form.number("id"))
    return f"{PATH}?done=removed"


ROUTES = [
    Route(PATH, show),
    Route(f"{PATH}/add", add, methods=["POST"]),
    Route(f"{PATH}/change", change, methods=["POST"]),
    Route(f"{PATH}/remove", remove, methods=["POST"]),
]
