"""Public status pages: no sign-in, no cookie, the same for everybody, so caches may keep them."""

from __future__ import annotations

import hashlib
import time
import unicodedata
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import agreement, table, words
from dashboard.account import joining
from dashboard.db import Database
from dashboard.errors import NotFound
from dashboard.rendering import ENVIRONMENT, page
from vantage import failure

DAYS = 90
RECENT_DAYS = 14
FRESH_S = 15.0
REMEMBERED = 500
CACHING = "public, max-age=30"
BADGE_NAME = 40
"""Of a name on a badge, the most characters; all of it is its title."""
LETTERS_PX = {
    **dict.fromkeys("ijl'|!.,:;", 3.3),
    **dict.fromkeys(" frtI()[]/-·", 4.2),
    **dict.fromkeys("mwMW@%…", 10.0),
}
COLOURS = {"up": "#18794e", "slow": "#9a5b00", "down": "#c62a2f"}


@dataclass(frozen=True, slots=True)
class PublicPage:
    """A page's identity and heading."""

    page_id: int
    title: str


@dataclass(frozen=True, slots=True)
class PublicMonitor:
    """What is shown, and how it stands at each of its locations and over all of them.

    ``verdict``: up, degraded, down or unknown; None: nobody has judged it yet. ``degraded_by``:
    codes of failures, which are for the word alone.
    """

    monitor_id: int
    name: str
    states: list[str]
    degraded_by: list[str]
    verdict: str | None

    @property
    def state(self) -> str:
        """What its locations agree on: one that fails alone is no news for the public."""
        return agreement.state(Counter(self.states), self.verdict)

    @property
    def word(self) -> str:
        """It in a word."""
        return agreement.word(self.state, self.degraded_by if self.state == "slow" else ())


@dataclass(frozen=True, slots=True)
class PublicIncident:
    """When something was out. ``severity``: degraded or down; ``ended_at`` None: it goes on.

    ``cause``: a code, which is for the word alone.
    """

    incident_id: int
    monitor: str
    severity: str
    cause: str
    began_at: datetime
    ended_at: datetime | None

    @property
    def state(self) -> str:
        """What it was, then."""
        return words.OUTCOME_STATES[self.severity]

    @property
    def words(self) -> str:
        """It in a sentence, without its times."""
        word = failure.severity(self.severity, self.cause).lower()
        if self.ended_at is None:
            return f"{self.monitor} is {word}"
        lasted = words.lasted(int((self.ended_at - self.began_at).total_seconds()))
        return f"{self.monitor} was {word} for {lasted}"


@dataclass(frozen=True, slots=True)
class PublicMaintenance:
    """When somebody works on it. ``monitor`` None: on everything."""

    monitor: str | None
    from_at: datetime
    to_at: datetime


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
class DayOf:
    """A monitor's day as a row to take along."""

    monitor_id: int
    monitor: str
    day_at: datetime
    checks: int
    failed: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A whole page, and when it was made."""

    title: str
    lines: list[Line]
    incidents: list[PublicIncident]
    maintenance: list[PublicMaintenance]
    made_at: datetime

    @property
    def recent(self) -> list[PublicIncident]:
        """The incidents that the page itself lists; the feed goes further back."""
        since = self.made_at - timedelta(days=RECENT_DAYS)
        return [each for each in self.incidents if each.ended_at is None or each.ended_at > since]

    @property
    def state(self) -> str:
        """The shape and colour of `sentence`: the worst of any, and never well in an incident."""
        worst = words.worst([line.monitor.state for line in self.lines])
        goes_on = any(incident.ended_at is None for incident in self.incidents)
        return "slow" if goes_on and worst != "down" else worst

    @property
    def sentence(self) -> str:
        """The state of everything."""
        states = [line.monitor.state for line in self.lines]
        down = states.count("down")
        if down:
            verb = "is" if down == 1 else "are"
            return f"{down} of {words.count(len(states), 'service')} {verb} down"
        goes_on = any(incident.ended_at is None for incident in self.incidents)
        if goes_on or any(state in ("slow", "missing") for state in states):
            return "Some services have a problem"
        if "waiting" in states and "up" in states:
            return "Everything that has results is up"
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
        incidents = await reader.all(
            PublicIncident, "public_incidents", page_id=found.page_id, days=DAYS
        )
        maintenance = await reader.all(
            PublicMaintenance, "public_maintenance", page_id=found.page_id
        )
    made_at = datetime.now(UTC)
    monitors.sort(key=lambda monitor: words.order(monitor.name))
    lines = _lines(monitors, days, made_at)
    shown = Shown(found.title, lines, incidents, maintenance, made_at)
    if len(kept) >= REMEMBERED:
        kept.clear()
    kept[slug] = (now + FRESH_S, shown)
    return shown


def _lines(monitors: list[PublicMonitor], days: list[Day], now: datetime) -> list[Line]:
    known = {(day.monitor_id, day.day_at): day for day in days}
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    dates = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    return [
        Line(
            monitor,
            [
                known.get((monitor.monitor_id, at), Day(monitor.monitor_id, at, 0, 0))
                for at in dates
            ],
        )
        for monitor in monitors
    ]


def _cacheable(request: Request, answer: Response, shown: Shown) -> Response:
    """Let caches keep it, and answer 304 to who has it already."""
    parts = (shown.title, shown.lines, shown.recent, shown.incidents, shown.maintenance)
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
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
    answer = page(request, "status.html", shown=shown, slug=slug, recent_days=RECENT_DAYS)
    return _cacheable(request, answer, shown)


async def badge(request: Request) -> Response:
    """Answer ``/status/{slug}/{monitor_id}.svg``: a picture for a page elsewhere."""
    shown = await find(request)
    wanted = request.path_params["monitor_id"]
    line = next((line for line in shown.lines if line.monitor.monitor_id == wanted), None)
    if line is None:
        raise NotFound("This status page shows no such monitor.")
    name, word = line.monitor.name, line.monitor.word
    shown_name = name if len(name) <= BADGE_NAME else f"{name[: BADGE_NAME - 1].rstrip()}…"
    text = ENVIRONMENT.get_template("badge.html").render(
        title=f"{name}: {word}",
        parts=[(shown_name, width_px(shown_name)), (word, width_px(word))],
        colour=COLOURS.get(line.monitor.state, "#6b7686"),
    )
    return _cacheable(request, Response(text, media_type="image/svg+xml"), shown)


def width_px(text: str) -> int:
    """About what a text takes in Verdana at 11 px; the badge stretches it to that."""
    return round(sum(map(_letter_px, text)))


def _letter_px(letter: str) -> float:
    """East Asian letters are square, accents take nothing."""
    if unicodedata.combining(letter):
        return 0
    if unicodedata.east_asian_width(letter) in "WF":
        return 12
    return LETTERS_PX.get(letter, 7.5 if letter.isupper() else 6.5)


async def feed(request: Request) -> Response:
    """Answer ``/status/{slug}/feed.atom``: the incidents, the last to change first."""
    shown = await find(request)
    text = ENVIRONMENT.get_template("feed.html").render(
        shown=shown,
        entries=sorted(shown.incidents, key=_changed_at, reverse=True),
        address=f"{joining.public_url(request)}/status/{request.path_params['slug']}",
    )
    return _cacheable(request, Response(text, media_type="application/atom+xml"), shown)


async def data(request: Request) -> Response:
    """Answer ``/status/{slug}/days.csv``, ``.json`` and ``.parquet``: what the bars stand for."""
    shown = await find(request)
    slug, form = request.path_params["slug"], request.path_params["form"]
    if form not in table.MEDIA_TYPES:
        raise NotFound("There is no such data of a status page.")
    rows = [
        DayOf(line.monitor.monitor_id, line.monitor.name, day.day_at, day.checks, day.failed)
        for line in shown.lines
        for day in line.days
    ]
    return _cacheable(request, table.attached(f"{slug}-days", form, DayOf, rows), shown)


def _changed_at(incident: PublicIncident) -> datetime:
    return incident.ended_at or incident.began_at


ROUTES = [
    Route("/status/{slug}", show),
    Route("/status/{slug}/feed.atom", feed),
    Route("/status/{slug}/days.{form}", data),
    Route("/status/{slug}/{monitor_id:int}.svg", badge),
]
