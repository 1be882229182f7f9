"""The overview: every monitor, those with a problem first.

What an account's people see of it at the same time is made once for all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache, partial
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from dashboard import agreement, rendering, tags, timespan, words
from dashboard.cells import Cells, Clock
from dashboard.db import Reader
from dashboard.errors import BadRequest
from dashboard.heat_map import strip
from dashboard.looks import Looks
from dashboard.rows.figures import DayRow
from dashboard.rows.incident import Outage
from dashboard.rows.location import Place
from dashboard.rows.monitor import Standing, Watched
from dashboard.rows.plan import Plan
from dashboard.series import due
from dashboard.session import Visitor, enter, who
from dashboard.tags import Group
from dashboard.view import tz_of

PER_PAGE = 25
DAY = timedelta(hours=24)
STRIP_WIDTH = timedelta(hours=1)  # as report.results_1h has them
PATIENCE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which part of the list is asked for: the state of the page, all of it in the address.

    ``open``: which groups are; empty: the address says nothing of it. ``tz``: UTC, or local.
    """

    wanted: str
    tag: str
    is_grouped: bool
    open: tuple[str, ...]
    tz: str
    number: int

    @classmethod
    def parse(cls, request: Request) -> Asked:
        """Read the address's parameters. Raises: BadRequest for what is no page number."""
        query = request.query_params
        number = query.get("page", "1")
        if not number.isascii() or not number.isdigit():
            raise BadRequest(f"“{number}” is no page number.")
        tag = query.get("tag", "").strip().lower()
        is_grouped = query.get("group") == "tag" and not tag
        return cls(
            wanted=query.get("q", "").strip(),
            tag=tag,
            is_grouped=is_grouped,
            open=tuple(query.getlist("open")) if is_grouped else (),
            tz=tz_of(query),
            number=max(int(number[:6]), 1),
        )

    def link(self, **changes: Any) -> str:
        """The query string of the list, changed: its first page, unless another is named."""
        asked = replace(self, **{"number": 1, **changes})
        values = {
            "q": asked.wanted,
            "tag": asked.tag,
            "tz": asked.tz,
            "group": "tag" if asked.is_grouped else "",
            "open": asked.open,
            "page": asked.number if asked.number > 1 else "",
        }
        return "?" + urlencode({name: each for name, each in values.items() if each}, doseq=True)

    def with_tag(self, tag: str) -> str:
        """The query string of the monitors with this tag; empty: of all."""
        return self.link(tag=tag, is_grouped=False, open=())

    def finds(self, monitor: Watched) -> bool:
        """Whether the filter lets it through."""
        if self.tag and self.tag not in monitor.tags:
            return False
        text = f"{monitor.name}\n{monitor.url}".casefold()
        return all(word in text for word in self.wanted.casefold().split())


@dataclass(frozen=True, slots=True)
class Line:
    """A monitor in the list. ``spots``: its locations, written; empty: none. ``down``: where it is.
    ``stats`` None: no result in 24 hours."""

    monitor: Watched
    state: str
    sentence: str
    spots: Markup
    down: list[Standing]
    stats: DayRow | None
    strip: Cells
    strip_label: str
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Section:
    """A tag as a heading. ``link``: opens or closes it; ``lines``: none where it is closed."""

    group: Group
    link: str
    is_open: bool
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Overview:
    """What an account's people see alike. ``plan``: where all rests, since people wonder why."""

    total: int
    sentence: str
    tally: dict[str, int]
    groups: list[Group]
    places: list[Place]
    plan: Plan | None
    list: Markup


async def show(request: Request) -> Response:
    """Answer ``/``."""
    asked = Asked.parse(request)
    visitor = await who(request)
    zone = rendering.zone_of(request, visitor)
    looks: Looks = request.app.state.looks
    seen = await looks.ask(
        (visitor.account_id, "overview", asked, zone),
        partial(_look, request, visitor, asked, zone),
    )
    return rendering.page(request, "overview.html", visitor=visitor, asked=asked, seen=seen)


async def _look(request: Request, visitor: Visitor, asked: Asked, zone: tzinfo) -> Overview:
    async with enter(request, visitor) as reader:
        monitors = await reader.all(Watched, "watched")
        places = [] if monitors else await reader.all(Place, "places")
        found = sorted(
            filter(asked.finds, monitors),
            key=lambda monitor: (monitor.rank, words.order(monitor.name)),
        )
        headings = tags.groups(found, with_untagged=True) if asked.is_grouped else []
        are_open = tags.opened(asked.open, headings)
        asked = replace(asked, number=min(asked.number, _pages(len(found))))
        if asked.is_grouped:
            shown = tags.members(found, are_open)
        else:
            shown = found[(asked.number - 1) * PER_PAGE : asked.number * PER_PAGE]
        now = datetime.now(UTC)
        hours = timespan.buckets(timespan.Timespan(now - DAY, now), STRIP_WIDTH)
        lines = await _lines(reader, shown, hours, now)
        states = [monitor.state for monitor in monitors]
        plan = await reader.the(Plan, "plan") if set(states) == {"paused"} else None
    return Overview(
        total=len(monitors),
        sentence=sentence(states, partly=sum(monitor.is_partly_up for monitor in monitors)),
        tally={state: states.count(state) for state in words.SEVERITY if state in states},
        groups=tags.groups(monitors),
        places=sorted(places, key=lambda place: words.order(place.title)),
        plan=plan,
        list=rendering.fragment(
            "overview_list.html",
            zone,
            asked=asked,
            total=len(monitors),
            found=len(found),
            pages=_pages(len(found)),
            lines=lines,
            clock=Clock(hours[0], STRIP_WIDTH),
            sections=[
                Section(
                    group,
                    asked.link(open=tuple(tags.toggled(group.tag, are_open))),
                    group.tag in are_open,
                    [line for line in lines if group.tag in tags.of(line.monitor)]
                    if group.tag in are_open
                    else [],
                )
                for group in headings
            ],
        ),
    )


def sentence(states: Sequence[str], *, partly: int = 0) -> str:
    """The state of everything in one sentence. ``partly``: so many are up not from everywhere."""
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
    if total == 1:
        return f"The monitor is up{', not from everywhere' if partly else ''}"
    return f"All {total:,} monitors are up{f', {partly:,} not from everywhere' if partly else ''}"


async def _lines(
    reader: Reader,
    shown: Sequence[Watched],
    hours: Sequence[datetime],
    now: datetime,
) -> list[Line]:
    ids = [monitor.id for monitor in shown]
    settled = now - PATIENCE
    standings = _by_monitor(await reader.all(Standing, "standings", monitor_ids=ids))
    day = {"monitor_ids": ids, "from_at": hours[0], "to_at": now}
    stats: dict[tuple[int, str | None], DayRow] = {}
    strips: dict[int, dict[datetime, DayRow]] = defaultdict(dict)
    for row in await reader.all(DayRow, "day", **day):
        if row.bucket_at:
            strips[row.monitor_id][row.bucket_at] = row
        else:
            stats[row.monitor_id, row.location] = row
    outages: dict[int, list[Outage]] = defaultdict(list)
    for outage in await reader.all(Outage, "outages", **day):
        outages[outage.monitor_id].append(outage)
    return [
        Line(
            monitor=monitor,
            state=state,
            sentence=agreement.sentence(state, spots, slower=monitor.slower),
            spots=_spots(spots, stats),
            down=[standing for standing in spots if standing.state == "down"],
            stats=stats.get((monitor.id, None)),
            strip=strip(
                hours,
                STRIP_WIDTH,
                strips[monitor.id],
                due(hours, STRIP_WIDTH, _first_slot_at(spots), settled),
                outages[monitor.id],
            ),
            strip_label=_strip_label(strips[monitor.id]),
            last_at=max((spot.slot_at for spot in spots if spot.slot_at), default=None),
        )
        for monitor in shown
        for state, spots in [(monitor.state, standings[monitor.id])]
    ]


def _spots(
    standings: Iterable[Standing], stats: Mapping[tuple[int, str | None], DayRow]
) -> Markup:
    medians = (stats.get((each.monitor_id, each.location)) for each in standings)
    written = [
        _spot(standing.state, standing.title, row and row.median_us)
        for standing, row in zip(standings, medians, strict=True)
    ]
    return Markup("".join(written))  # noqa: S704 - the template has escaped it


# A median is one of a histogram's few hundred steps: nearly every spot has been written before, and
# to write one takes a template fifty times as long as to find it.
@lru_cache(8_192)
def _spot(state: str, title: str, median_us: int | None) -> str:
    return rendering.piece("spot", state, title, median_us)


def _strip_label(rows: dict[datetime, DayRow]) -> str:
    checks = sum(row.checks for row in rows.values())
    failed = sum(row.failed for row in rows.values())
    return f"Last 24 hours: {failed:,} of {words.count(checks, 'check')} failed"


def _first_slot_at(standings: Iterable[Standing]) -> datetime | None:
    return min((s.first_slot_at for s in standings if s.first_slot_at), default=None)


def _by_monitor(standings: Iterable[Standing]) -> dict[int, list[Standing]]:
    found: dict[int, list[Standing]] = defaultdict(list)
    for standing in sorted(standings, key=lambda standing: words.order(standing.title)):
        found[standing.monitor_id].append(standing)
    return found


def _pages(found: int) -> int:
    return max(1, -(-found // PER_PAGE))
