"""The overview: every monitor, those with a problem first.

What an account's people see of it at the same time is made once for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from dashboard import line, rendering, tags, words
from dashboard.errors import BadRequest
from dashboard.line import Line
from dashboard.looks import Looks
from dashboard.rows.location import Place
from dashboard.rows.monitor import Watched
from dashboard.rows.plan import Plan
from dashboard.session import Visitor, enter_twice, who
from dashboard.tags import Group
from dashboard.view import tz_of

PER_PAGE = 25


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

    def found(self, monitors: Iterable[Watched]) -> list[Watched]:
        """Those that the filter lets through, the worst first."""
        return sorted(
            filter(self._finds, monitors),
            key=lambda monitor: (monitor.rank, words.order(monitor.name)),
        )

    def _finds(self, monitor: Watched) -> bool:
        if self.tag and self.tag not in monitor.tags:
            return False
        text = f"{monitor.name}\n{monitor.url}".casefold()
        return all(word in text for word in self.wanted.casefold().split())


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
    entered = enter_twice(request, visitor, lambda reader: reader.all(Watched, "watched"))
    async with entered as (monitors, reader, another):
        places = [] if monitors else await reader.all(Place, "places")
        states = [monitor.state for monitor in monitors]
        plan = await reader.the(Plan, "plan") if set(states) == {"paused"} else None
        found = asked.found(monitors)
        headings = tags.groups(found, with_untagged=True) if asked.is_grouped else []
        are_open = tags.opened(asked.open, headings)
        asked = replace(asked, number=min(asked.number, _pages(len(found))))
        if asked.is_grouped:
            shown = tags.members(found, are_open)
        else:
            shown = found[(asked.number - 1) * PER_PAGE : asked.number * PER_PAGE]
        lines = await line.read(reader, another, shown, datetime.now(UTC))
    groups = tags.groups(monitors)
    return Overview(
        total=len(monitors),
        sentence=sentence(states, partly=sum(monitor.is_partly_up for monitor in monitors)),
        tally={state: states.count(state) for state in words.SEVERITY if state in states},
        places=sorted(places, key=lambda place: words.order(place.title)),
        plan=plan,
        list=rendering.fragment(
            "overview_list.html",
            zone,
            asked=asked,
            total=len(monitors),
            found=len(found),
            pages=_pages(len(found)),
            groups=groups,
            tag_links={group.tag: asked.with_tag(group.tag) for group in groups},
            lines=lines.all,
            clock=lines.clock,
            sections=[
                Section(
                    group,
                    asked.link(open=tuple(tags.toggled(group.tag, are_open))),
                    group.tag in are_open,
                    [each for each in lines.all if group.tag in tags.of(each.monitor)]
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


def _pages(found: int) -> int:
    return max(1, -(-found // PER_PAGE))
