"""The overview: every monitor, those with a problem first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from dashboard import tags, timespan, words
from dashboard.db import Reader
from dashboard.errors import BadRequest
from dashboard.heat_map import Cell, strip
from dashboard.rendering import page
from dashboard.rows.figures import DayStats, StripRow
from dashboard.rows.location import Place
from dashboard.rows.monitor import History, Monitor, Standing, States
from dashboard.rows.plan import Plan
from dashboard.series import due
from dashboard.session import visit
from dashboard.tags import Group

PER_PAGE = 25
DAY = timedelta(hours=24)
STRIP_WIDTH = timedelta(hours=1)  # as report.results_1h has them
PATIENCE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Spot:
    """A monitor at one of its locations."""

    standing: Standing
    stats: DayStats | None
    history: History | None


@dataclass(frozen=True, slots=True)
class Line:
    """A monitor in the list. ``stats`` None: no result in 24 hours."""

    monitor: Monitor
    state: str
    spots: list[Spot]
    stats: DayStats | None
    strip: list[Cell]
    strip_label: str
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Section:
    """A tag as a heading. ``link``: opens or closes it; ``lines``: none where it is closed."""

    group: Group
    link: str
    is_open: bool
    lines: list[Line]


async def show(request: Request) -> Response:
    """Answer ``/``."""
    now = datetime.now(UTC)
    wanted = request.query_params.get("q", "").strip()
    tag = request.query_params.get("tag", "").strip().lower()
    tz = "UTC" if request.query_params.get("tz", "").upper() == "UTC" else ""
    is_grouped = request.query_params.get("group") == "tag" and not tag
    async with visit(request) as (visitor, reader):
        monitors = await reader.all(Monitor, "monitors")
        states = {row.monitor_id: row.states for row in await reader.all(States, "states")}
        places = await reader.all(Place, "places")
        found = [monitor for monitor in monitors if _matches(monitor, wanted, tag)]
        found.sort(key=lambda monitor: _rank(states.get(monitor.id, [])))
        by_id = {monitor.id: words.worst(states.get(monitor.id, [])) for monitor in monitors}
        number = _page_number(request, len(found))
        headings = tags.groups(found, by_id, with_untagged=True) if is_grouped else []
        are_open = tags.opened(request.query_params.getlist("open"), headings)
        if is_grouped:
            shown = tags.members(found, are_open)
        else:
            shown = found[(number - 1) * PER_PAGE : number * PER_PAGE]
        lines = await _lines(reader, shown, now)
        worst = list(by_id.values())
        # Where all rest, people wonder why.
        plan = await reader.the(Plan, "plan") if set(worst) == {"paused"} else None
    return page(
        request,
        "overview.html",
        visitor=visitor,
        sentence=sentence(worst),
        tally={state: worst.count(state) for state in words.SEVERITY if state in worst},
        plan=plan,
        monitors=monitors,
        found=found,
        lines=lines,
        places=places,
        wanted=wanted,
        tag=tag,
        groups=tags.groups(monitors, by_id),
        is_grouped=is_grouped,
        sections=[
            Section(
                group,
                _query(1, q=wanted, tz=tz, group="tag", open=tags.toggled(group.tag, are_open)),
                group.tag in are_open,
                [line for line in lines if group.tag in tags.of(line.monitor)]
                if group.tag in are_open
                else [],
            )
            for group in headings
        ],
        tag_query=lambda other: _query(1, q=wanted, tag=other, tz=tz),
        group_query=lambda kind: _query(1, q=wanted, tz=tz, group=kind),
        tz=tz,
        number=number,
        pages=_pages(len(found)),
        page_query=partial(_query, q=wanted, tag=tag, tz=tz),
        zone_query=lambda zone: _query(
            number,
            q=wanted,
            tag=tag,
            tz=zone,
            group="tag" if is_grouped else "",
            open=request.query_params.getlist("open") if is_grouped else [],
        ),
    )


def _query(number: int, **parameters: str | list[str]) -> str:
    """The query string of a page of the list."""
    given = {name: value for name, value in parameters.items() if value}
    return "?" + urlencode(given | ({"page": str(number)} if number > 1 else {}), doseq=True)


def sentence(states: Sequence[str]) -> str:
    """The state of everything in one sentence."""
    if states and set(states) == {"paused"}:
        return "Everything is paused"
    states = [state for state in states if state != "paused"]
    total = len(states)
    troubled = sum(state in words.PROBLEMS for state in states)
    waiting = states.count("waiting")
    if not total:
        return "Nothing is watched yet"
    if troubled:
        verb = "has" if troubled == 1 else "have"
        return f"{troubled:,} of {words.count(total, 'monitor')} {verb} a problem"
    if waiting == total:
        return "Waiting for the first results…"
    if waiting:
        return f"{total - waiting:,} of {words.count(total, 'monitor')} up, {waiting:,} waiting"
    return "The monitor is up" if total == 1 else f"All {total:,} monitors are up"


async def _lines(
    reader: Reader,
    shown: Sequence[Monitor],
    now: datetime,
) -> list[Line]:
    ids = [monitor.id for monitor in shown]
    begins = timespan.buckets(timespan.Timespan(now - DAY, now), STRIP_WIDTH)
    standings = _by_monitor(await reader.all(Standing, "standings", monitor_ids=ids))
    day = {"monitor_ids": ids, "from_at": begins[0], "to_at": now}
    stats = {
        (row.monitor_id, row.location): row
        for row in await reader.all(DayStats, "day_stats", **day)
    }
    strips: dict[int, dict[datetime, StripRow]] = defaultdict(dict)
    for row in await reader.all(StripRow, "day_strip", **day):
        strips[row.monitor_id][row.bucket_at] = row
    histories = {
        (row.monitor_id, row.location): row
        for row in await reader.all(History, "histories", monitor_ids=ids)
    }
    first: dict[int, datetime] = {}
    for history in histories.values():
        first[history.monitor_id] = min(history.first_slot_at, first.get(history.monitor_id, now))
    return [
        Line(
            monitor=monitor,
            state=words.worst([standing.state for standing in standings[monitor.id]]),
            spots=[
                Spot(
                    standing,
                    stats.get((monitor.id, standing.location)),
                    histories.get((monitor.id, standing.location)),
                )
                for standing in standings[monitor.id]
            ],
            stats=stats.get((monitor.id, None)),
            strip=strip(
                begins,
                strips[monitor.id],
                due(begins, STRIP_WIDTH, first.get(monitor.id), now - PATIENCE),
            ),
            strip_label=_strip_label(strips[monitor.id]),
            last_at=max((s.slot_at for s in standings[monitor.id] if s.slot_at), default=None),
        )
        for monitor in shown
    ]


def _strip_label(rows: dict[datetime, StripRow]) -> str:
    checks = sum(row.checks for row in rows.values())
    failed = sum(row.failed for row in rows.values())
    return f"Last 24 hours: {failed:,} of {words.count(checks, 'check')} failed"


def _by_monitor(standings: Iterable[Standing]) -> dict[int, list[Standing]]:
    found: dict[int, list[Standing]] = defaultdict(list)
    for standing in sorted(standings, key=lambda standing: words.order(standing.title)):
        found[standing.monitor_id].append(standing)
    return found


def _rank(states: Sequence[str]) -> tuple[int, int]:
    """The worst first; among equals the one with the same trouble at more locations."""
    state = words.worst(states)
    return words.SEVERITY.index(state), -states.count(state) if state in words.PROBLEMS else 0


def _matches(monitor: Monitor, wanted: str, tag: str) -> bool:
    if tag and tag not in monitor.tags:
        return False
    text = f"{monitor.name}\n{monitor.url}".casefold()
    return all(word in text for word in wanted.casefold().split())


def _pages(found: int) -> int:
    return max(1, -(-found // PER_PAGE))


def _page_number(request: Request, found: int) -> int:
    text = request.query_params.get("page", "1")
    if not text.isascii() or not text.isdigit():
        raise BadRequest(f"“{text}” is no page number.")
    return min(max(int(text[:6]), 1), _pages(found))
