"""``/report-schedules``: reports that are mailed to members by themselves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from dashboard.api.access import BASIC, BEARER, using
from dashboard.api.telling_schemas import ReportSchedule, ReportScheduleValues, ScheduleId
from dashboard.db import Reader
from dashboard.errors import NotFound, Unacceptable
from dashboard.rows.answer import Added
from dashboard.rows.people import Member

ROUTER = APIRouter(
    prefix="/report-schedules",
    tags=["Reports by mail"],
    dependencies=[Depends(BEARER), Depends(BASIC)],
)


async def find(reader: Reader, schedule_id: int) -> ReportSchedule:
    """The account's schedule. Raises: NotFound."""
    for schedule in await reader.all(ReportSchedule, "report_schedules"):
        if schedule.id == schedule_id:
            return schedule
    raise NotFound("There is no such report by mail in your account.")


@ROUTER.get("", summary="List reports by mail")
async def list_report_schedules(request: Request) -> list[ReportSchedule]:
    """Every report of the account that comes by itself."""
    async with using(request, "read") as reader:
        return await reader.all(ReportSchedule, "report_schedules")


@ROUTER.post("", status_code=201, summary="Add a report by mail")
async def add_report_schedule(
    request: Request, response: Response, values: ReportScheduleValues
) -> ReportSchedule:
    """Have a report mailed by itself from now on. Scope: write."""
    async with using(request, "write") as reader:
        added = await reader.the(Added, "add_report_schedule", **await _columns(reader, values))
        schedule = await find(reader, added.id)
    response.headers["Location"] = f"/api/v1/report-schedules/{schedule.id}"
    return schedule


@ROUTER.get("/{schedule_id}", summary="Read a report by mail")
async def read_report_schedule(request: Request, schedule_id: ScheduleId) -> ReportSchedule:
    """One report by mail."""
    async with using(request, "read") as reader:
        return await find(reader, schedule_id)


@ROUTER.put("/{schedule_id}", summary="Change a report by mail")
async def change_report_schedule(
    request: Request, schedule_id: ScheduleId, values: ReportScheduleValues
) -> ReportSchedule:
    """Define it anew, all of it. Scope: write."""
    async with using(request, "write") as reader:
        columns = await _columns(reader, values)
        await reader.run("change_report_schedule", id=schedule_id, **columns)
        return await find(reader, schedule_id)


@ROUTER.delete("/{schedule_id}", status_code=204, summary="Remove a report by mail")
async def remove_report_schedule(request: Request, schedule_id: ScheduleId) -> None:
    """Mail it no more. Scope: write."""
    async with using(request, "write") as reader:
        await reader.run("remove_report_schedule", id=schedule_id)


async def _columns(reader: Reader, values: ReportScheduleValues) -> dict[str, Any]:
    """As the database takes it. Raises: Unacceptable for whom it could not be mailed to."""
    members = {member.email.lower(): member.id for member in await reader.all(Member, "members")}
    strangers = [email for email in values.recipients if email.lower() not in members]
    if strangers:
        raise Unacceptable(f"“{strangers[0]}” is no member of your account.")
    return {
        **values.model_dump(exclude={"recipients"}),
        "objective": Decimal(str(values.objective)),
        "share": Decimal(str(values.share)),
        "user_ids": [members[email.lower()] for email in values.recipients],
    }
