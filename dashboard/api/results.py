"""What was measured: results, series, availability."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from dashboard import availability, scene, timespan, words
from dashboard.api import monitors
from dashboard.api.access import BASIC, BEARER, using
from dashboard.api.schemas import (
    Availability,
    From,
    Limit,
    Locations,
    MonitorId,
    Page,
    To,
)
from dashboard.db import Reader
from dashboard.errors import BadRequest
from dashboard.queries import by_width
from dashboard.rows.figures import SeriesRow
from dashboard.rows.result import Result
from dashboard.timespan import Timespan

ROUTER = APIRouter(
    prefix="/monitors/{monitor_id}",
    tags=["Results"],
    dependencies=[Depends(BEARER), Depends(BASIC)],
)
Cursor = Annotated[str, Query(max_length=100, description="The `next` of a page.")]


def _span(from_text: str, to_text: str) -> Timespan:
    return timespan.parse({"from": from_text, "to": to_text}, datetime.now(UTC))


async def _kept_span(reader: Reader, monitor_id: int, from_text: str, to_text: str) -> Timespan:
    return await scene.kept(reader, monitor_id, _span(from_text, to_text), datetime.now(UTC))


@ROUTER.get("/results", summary="List results")
async def list_results(
    request: Request,
    monitor_id: MonitorId,
    from_text: From = "",
    to_text: To = "",
    locations: Locations = [],  # noqa: B006 - FastAPI copies it
    limit: Limit = 100,
    after: Cursor = "",
) -> Page[Result]:
    """The results of a span of time of up to 31 days, newest first."""
    span = _span(from_text, to_text)
    if span.length > timespan.MONTH:
        raise BadRequest(f"A list of results may span up to {timespan.MONTH.days} days.")
    before_at, before_location = _cursor(after) if after else (span.to_at, "")
    async with using(request, "read") as reader:
        monitor = await monitors.find(reader, monitor_id)
        found = await reader.all(
            Result,
            "results",
            monitor_id=monitor_id,
            locations=locations or monitor.locations,
            from_at=span.from_at,
            before_at=before_at,
            before_location=before_location,
            count=limit + 1,
        )
    last = found[limit - 1] if len(found) > limit else None
    following = f"{words.slot_name(last.slot_at)}~{last.location}" if last else None
    return Page(items=found[:limit], next=following)


def _cursor(text: str) -> tuple[datetime, str]:
    instant, tilde, location = text.partition("~")
    if not tilde or "\0" in location:
        raise BadRequest("after must be the `next` of a page.")
    return timespan.instant(instant), location


@ROUTER.get("/series", summary="Read a chart's numbers")
async def read_series(
    request: Request,
    monitor_id: MonitorId,
    from_text: From = "",
    to_text: To = "",
    locations: Locations = [],  # noqa: B006 - FastAPI copies it
    points: Annotated[int, Query(ge=10, le=1_500, description="About so many buckets.")] = 240,
) -> list[SeriesRow]:
    """The median result of every bucket and location; where none passed, the first failed one.
    Of half an hour: the median of its ten minutes' medians. Buckets of an hour and longer have the
    median total (within 4.8 %), divided in the proportion of the phases' sums, and no result of
    their own; so have those of a span whose results are not kept any more. Longer than 31 days,
    buckets are whole days (UTC)."""
    async with using(request, "read") as reader:
        monitor = await monitors.find(reader, monitor_id)
        span = await _kept_span(reader, monitor_id, from_text, to_text)
        width = span.bucket(monitor.interval_s, points)
        return await reader.all(
            SeriesRow,
            by_width("series", width),
            monitor_id=monitor_id,
            locations=locations or monitor.locations,
            from_at=timespan.floor(span.from_at, width),
            to_at=span.to_at,
            bucket=width,
        )


@ROUTER.get("/availability", summary="Read the availability")
async def read_availability(
    request: Request,
    monitor_id: MonitorId,
    from_text: From = "",
    to_text: To = "",
    locations: Locations = [],  # noqa: B006 - FastAPI copies it
) -> list[Availability]:
    """Checks, how many passed, and the times of those, for each location and, the last, for all
    together. Of a span whose results are not kept any more: those of the hours that it touches."""
    async with using(request, "read") as reader:
        monitor = await monitors.find(reader, monitor_id)
        span = await _kept_span(reader, monitor_id, from_text, to_text)
        wanted = locations or monitor.locations
        rows = await availability.read(
            reader,
            monitor_id,
            wanted,
            span,
            min(span.to_at, datetime.now(UTC) - timedelta(seconds=monitor.interval_s)),
        )
    return [
        Availability(
            location=row.location,
            checks=row.checks,
            passed=row.passed,
            share=row.passed * 10_000 // row.checks / 10_000 if row.checks else None,
            median_us=row.median_us,
            p95_us=row.p95_us,
        )
        for row in sorted(rows, key=lambda row: (row.location is None, row.location or ""))
        if row.location in wanted or row.is_shown
    ]
