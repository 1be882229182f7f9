"""Public status pages: no sign-in, no cookie, the same for everybody, so caches may keep them."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import words
from dashboard.account import joining
from dashboard.db import Database
from dashboard.errors import NotFound
from dashboard.rendering import ENVIRONMENT, page

DAYS = 90
FRESH_S = 15.0
REMEMBERED = 500
CACHING = "public, max-age=30"
COLOURS = {"up": "#18794e", "slow": "#9a5b00", "down": "#c62a2f"}


@dataclass(frozen=True, slots=True)
class PublicPage:
    """A page's identity and heading."""

    page_id: int
    title: str


@dataclass(frozen=True, slots=True)
class PublicMonitor:
    """What is shown, and how it stands at each of its locations."""

    monitor_id: int
    name: str
    states: list[str]

    @property
    def state(self) -> str:
        """The most severe one."""
        return words.worst(self.states)


@dataclass(frozen=True, slots=True)
class Day:
    """A day's checks. ``day_at``: its begin, UTC."""

    monitor_id: int
    day_at: datetime
    checks: int
    failed: int

    @property
    def kind(self) -> str:
        """How it is drawn; what was never checked is never drawn as up."""
        if not self.checks:
            return "none"
        return "up" if not self.failed else "down" if self.failed == self.checks else "slow"

    @property
    def words(self) -> str:
        """It in words, with its denominator."""
        if not self.checks:
            return "no result"
        return f"{self.failed:,} of {words.count(self.checks, 'check')} failed"


@dataclass(frozen=True, slots=True)
class Line:
    """A monitor with its 90 days, the oldest first."""

    monitor: PublicMonitor
    days: list[Day]

    @property
    def share(self) -> str:
        """Availability over all days, rounded down."""
        checks = sum(day.checks for day in self.days)
        return words.share(checks - sum(day.failed for day in self.days), checks)


@dataclass(frozen=True, slots=True)
class Shown:
    """A whole page, and when it was made."""

    title: str
    lines: list[Line]
    made_at: datetime

    @property
    def sentence(self) -> str:
        """The state of everything."""
        states = [line.monitor.state for line in self.lines]
        down = states.count("down")
        if down:
            return f"{down} of {words.count(len(states), 'service')} down"
        if any(state in ("slow", "missing") for state in states):
            return "Some services have a problem"
        return "Everything is up" if "up" in states else "No results yet"


async def find(request: Request) -> Shown:
    """The page that the address names, at most 15 s old. Raises: NotFound."""
    kept: dict[str, tuple[float, Shown]] = request.app.state.status_pages
    slug = request.path_params["slug"]
    now = time.monotonic()
    if slug in kept and kept[slug][0] > now:
        return kept[slug][1]
    database: Database = request.app.state.database
    async with database.transaction() as reader:
        found = await reader.one(PublicPage, "public_page", slug=slug.replace("\0", ""))
        if found is None:
            raise NotFound("There is no such status page.")
        monitors = await reader.all(PublicMonitor, "public_monitors", page_id=found.page_id)
        days = await reader.all(Day, "public_days", page_id=found.page_id, days=DAYS)
    shown = _shown(found.title, monitors, days, datetime.now(UTC))
    if len(kept) >= REMEMBERED:
        kept.clear()
    kept[slug] = (now + FRESH_S, shown)
    return shown


def _shown(title: str, monitors: list[PublicMonitor], days: list[Day], now: datetime) -> Shown:
    known = {(day.monitor_id, day.day_at): day for day in days}
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    dates = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    lines = [
        Line(
            monitor,
            [
                known.get((monitor.monitor_id, at), Day(monitor.monitor_id, at, 0, 0))
                for at in dates
            ],
        )
        for monitor in monitors
    ]
    return Shown(title, lines, now)


def _cacheable(request: Request, answer: Response, shown: Shown) -> Response:
    """Let caches keep it, and answer 304 to who has it already."""
    digest = hashlib.sha256(repr((shown.title, shown.lines)).encode()).hexdigest()[:16]
    tag = f'W/"{digest}"'
    headers = {
        "Cache-Control": CACHING,
        "ETag": tag,
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if request.headers.get("if-none-match") == tag:
        answer = Response(status_code=304)
    answer.headers.update(headers)
    return answer


async def show(request: Request) -> Response:
    """Answer ``/status/{slug}``."""
    shown = await find(request)
    slug = request.path_params["slug"]
    return _cacheable(request, page(request, "status.html", shown=shown, slug=slug), shown)


async def badge(request: Request) -> Response:
    """Answer ``/status/{slug}/{monitor_id}.svg``: a picture for a page elsewhere."""
    shown = await find(request)
    wanted = request.path_params["monitor_id"]
    line = next((line for line in shown.lines if line.monitor.monitor_id == wanted), None)
    if line is None:
        raise NotFound("This status page shows no such monitor.")
    state = line.monitor.state
    text = ENVIRONMENT.get_template("badge.html").render(
        name=line.monitor.name, word=words.STATES[state], colour=COLOURS.get(state, "#6b7686")
    )
    return _cacheable(request, Response(text, media_type="image/svg+xml"), shown)


async def feed(request: Request) -> Response:
    """Answer ``/status/{slug}/feed.atom``: every day on which checks failed, newest first."""
    shown = await find(request)
    entries = sorted(
        ((day, line.monitor) for line in shown.lines for day in line.days if day.failed),
        key=lambda entry: (entry[0].day_at, entry[1].name),
        reverse=True,
    )
    text = ENVIRONMENT.get_template("feed.html").render(
        shown=shown,
        entries=entries,
        address=f"{joining.public_url(request)}/status/{request.path_params['slug']}",
    )
    return _cacheable(request, Response(text, media_type="application/atom+xml"), shown)


ROUTES = [
    Route("/status/{slug}", show),
    Route("/status/{slug}/feed.atom", feed),
    Route("/status/{slug}/{monitor_id:int}.svg", badge),
]
