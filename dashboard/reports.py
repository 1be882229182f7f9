"""Reports of a month, or a week: the page, and the same as PDF and as data."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from importlib.resources import as_file, files
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import parquet, table, words
from dashboard.db import Reader
from dashboard.errors import BadRequest, NotFound
from dashboard.monitors import listed
from dashboard.number import IDENTITY_MAX, whole
from dashboard.rendering import page
from dashboard.rows.monitor import Monitor
from dashboard.rows.report import Report
from dashboard.session import Visitor, visit
from vantage import report, spreadsheet

MONTHS = 13
OBJECTIVES = ("99", "99.5", "99.9", "99.95", "99.99")
MEDIA_TYPES = {**table.MEDIA_TYPES, "pdf": "application/pdf"}
MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])")
RULES = (
    "Months are those of UTC. A check is a slot of a monitor at a location; all count alike.",
    "Availability is the checks that passed, of those judged, rounded down to three decimals.",
    "Slow and degraded checks passed. A failure that a busy agent saw proves nothing and is not "
    "judged.",
    "Every other failure counts, also one seen from one location only or from a location that was "
    "itself in trouble: whose fault it was would be an opinion, and this counts what was measured.",
    "A check without a result is missing: neither passed nor failed. It is counted beside.",
    "Maintenance is left out, whenever it was entered; entering it afterwards makes a revision.",
    "The error budget is the failed checks that the objective allows, rounded down.",
    "Response times are of checks that passed, percentiles within 4.8 %; within a limit counts "
    "only what is surely within it.",
    "Incidents are outages that enough locations agreed on; their time is clipped to the month.",
    "When late results or maintenance amend a month that is over, the report becomes a new "
    "revision; the old ones are kept.",
)
"""Printed on every report; docs/reports.md says the same."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a report is asked to be about. ``limit_ms`` None: no objective of response times.

    ``period``: month or week, which begins on ``first_day``.
    """

    first_day: date
    monitor_ids: tuple[int, ...]
    objective: Decimal
    limit_ms: int | None
    share: Decimal
    period: str = "month"

    @property
    def title(self) -> str:
        """What it is about: October 2026, or 5 to 11 October 2026."""
        if self.period == "month":
            return f"{self.first_day:%B %Y}"
        last = self.first_day + timedelta(days=6)
        first = f"{self.first_day:%-d}"
        if self.first_day.month != last.month:
            first = f"{self.first_day:%-d %B}"
        if self.first_day.year != last.year:
            first = f"{self.first_day:%-d %B %Y}"
        return f"{first} to {last:%-d %B %Y}"

    @property
    def name(self) -> str:
        """It, as files and addresses name it: 2026-10, or the Monday of a week."""
        return f"{self.first_day:{'%Y-%m' if self.period == 'month' else '%Y-%m-%d'}}"

    @property
    def limit_us(self) -> int | None:
        return None if self.limit_ms is None else self.limit_ms * 1_000

    @property
    def query(self) -> str:
        """It, in an address."""
        values: list[tuple[str, Any]] = [(self.period, self.name)]
        values += [("monitor", number) for number in self.monitor_ids]
        values.append(("objective", self.objective))
        if self.limit_ms is not None:
            values += [("limit", self.limit_ms), ("share", self.share)]
        return "?" + urlencode(values)

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Wanted:
        """What a queued mail is to be about: vantage.queue_report."""
        limit_us = content["limit_us"]
        return cls(
            date.fromisoformat(content["first_day"]),
            tuple(content["monitor_ids"] or ()),
            Decimal(content["objective"]),
            None if limit_us is None else limit_us // 1_000,
            Decimal(content["share"]),
            content["period"],
        )

    async def made(self, reader: Reader) -> Report:
        """The report, as the visitor may see it, its monitors by their names."""
        found = await reader.the(
            Report,
            "report" if self.period == "month" else "report_of_week",
            first_day=self.first_day,
            monitor_ids=list(self.monitor_ids) or None,
            objective=self.objective,
            limit_us=self.limit_us,
            share=self.share,
        )
        content = sorted(found.content, key=lambda entry: words.order(entry["monitor"]))
        return replace(found, content=content)


def months(now: datetime) -> list[date]:
    """The first days of this month and those before it."""
    counted = now.year * 12 + now.month - 1
    return [date((counted - n) // 12, (counted - n) % 12 + 1, 1) for n in range(MONTHS)]


def parse(query: Mapping[str, str], chosen: list[str], now: datetime) -> Wanted:
    """Read an address's parameters; without any: the month before this one, all monitors.

    Raises: BadRequest.
    """
    period, first_day = _period(query, now)
    monitor_ids = {whole(one, IDENTITY_MAX) for one in chosen}
    if None in monitor_ids:
        raise BadRequest("Monitors are named by their numbers.")
    limit = query.get("limit", "").strip()
    limit_ms = whole(limit, 600_000)
    if limit and not limit_ms:
        raise BadRequest(f"“{limit[:40]}” is no limit: 1 to 600000 ms can be.")
    return Wanted(
        first_day,
        tuple(sorted(each for each in monitor_ids if each is not None)),
        _percent(query.get("objective") or "99.9"),
        limit_ms,
        _percent(query.get("share") or "95"),
        period,
    )


def _period(query: Mapping[str, str], now: datetime) -> tuple[str, date]:
    if week := query.get("week", ""):
        try:
            monday = date.fromisoformat(week)
        except ValueError as error:
            raise BadRequest(f"“{week[:40]}” is no week. It is named by its Monday.") from error
        return "week", monday
    month = query.get("month", "")
    if month and not MONTH.fullmatch(month):
        raise BadRequest(f"“{month[:40]}” is no month. It has the form 2026-10.")
    return "month", date.fromisoformat(f"{month}-01") if month else months(now)[1]


def _percent(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(-1)
    if not 0 <= value <= 100 or len(text) > 8:
        raise BadRequest(f"“{text[:40]}” is no objective: 0 to 100 percent can be.")
    return value


async def _made(request: Request) -> tuple[Visitor, list[Monitor], Wanted, Report]:
    chosen = request.query_params.getlist("monitor")
    wanted = parse(request.query_params, chosen, datetime.now(UTC))
    async with visit(request) as (visitor, reader):
        monitors = await listed(reader)
        made = await wanted.made(reader)
    return visitor, monitors, wanted, made


async def show(request: Request) -> Response:
    """Answer ``/reports``."""
    visitor, monitors, wanted, made = await _made(request)
    return page(
        request,
        "reports.html",
        visitor=visitor,
        monitors=monitors,
        wanted=wanted,
        report=made,
        months=months(datetime.now(UTC)),
        objectives=OBJECTIVES,
        rules=RULES,
        lasted=words.lasted,
    )


async def download(request: Request) -> Response:
    """Answer ``/reports/month.csv``, ``.json``, ``.parquet`` and ``.pdf``."""
    form = request.path_params["form"]
    if form not in MEDIA_TYPES:
        raise NotFound("There is no such form of a report.")
    visitor, _, wanted, made = await _made(request)
    if form == "csv":
        content = spreadsheet.encode(_lines(wanted, made))
    elif form == "json":
        content = msgspec.json.encode({wanted.period: wanted.name, "report": made})
    elif form == "parquet":
        content = _parquet(wanted, made)
    else:
        content = await asyncio.to_thread(pdf, visitor.account, wanted, made)
    name = f"report-{wanted.name}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=MEDIA_TYPES[form], headers=headers)


def _parquet(wanted: Wanted, made: Report) -> bytes:
    names, *lines = _lines(wanted, made)
    rows = [{**dict(zip(names, line, strict=True)), "made_at": made.made_at} for line in lines]
    return parquet.encode({**report.CONDITIONS, **report.FIGURES}, rows)


def _lines(wanted: Wanted, made: Report) -> Iterator[list[Any]]:
    return report.table(
        made.content,
        period=wanted.name,
        revision=made.revision,
        made_at=made.made_at,
        objective=wanted.objective,
        limit_us=wanted.limit_us,
        share=wanted.share,
    )


def pdf(account: str, wanted: Wanted, made: Report) -> bytes:
    """Write a report as PDF/UA-1; takes tenths of a second, so not in the loop."""
    import typst  # 20 MB that only this needs

    lines = [
        {
            "monitor": entry["monitor"],
            "url": entry["url"],
            "availability": _or_nothing(entry["availability"], " %"),
            "met": {True: "met", False: "missed", None: words.NOTHING}[entry["is_met"]],
            "checks": f"{entry['passed']:,} of {entry['judged']:,}",
            "missing": f"{entry['missing']:,}",
            "budget": f"{entry['spent']:,} of {entry['budget']:,}"
            if entry["budget"] is not None
            else words.NOTHING,
            "median": _duration(entry["median_us"]),
            "p95": _duration(entry["p95_us"]),
            "within": _or_nothing(entry["within_share"], " %"),
            "incidents": f"{entry['incidents']} · {words.lasted(entry['incident_s'])}"
            if entry["incidents"]
            else "0",
            "maintenance": words.lasted(entry["maintenance_s"]) if entry["maintenance_s"] else "0",
        }
        for entry in made.content
    ]
    about = {
        "account": account,
        "month": wanted.title,
        "objective": f"{wanted.objective} %",
        "limit": None if wanted.limit_ms is None else f"{wanted.limit_ms} ms",
        "share": f"{wanted.share} %",
        "state": f"{_state(made)} {made.made_at.astimezone(UTC):%-d %B %Y, %H:%M} UTC",
        "lines": lines,
        "rules": RULES,
    }
    with as_file(files("dashboard") / "templates" / "report.typ") as template:
        written: bytes = typst.compile(
            template,
            sys_inputs={"report": msgspec.json.encode(about).decode()},
            pdf_standards=["ua-1"],
        )
    return written


def _state(made: Report) -> str:
    if not made.is_over:
        return "So far,"
    return f"Revision {made.revision} of" if made.revision else "Made"


def _duration(us: float | None) -> str:
    return words.NOTHING if us is None else words.duration(round(us))


def _or_nothing(value: object, unit: str) -> str:
    return words.NOTHING if value is None else f"{value}{unit}"


ROUTES = [
    Route("/reports", show),
    Route("/reports/month.{form}", download),
]
