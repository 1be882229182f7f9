"""One monitor as one address asks for it: what its page and its data are both made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request

from dashboard import series, timespan, view, words
from dashboard.db import Reader
from dashboard.errors import NotFound
from dashboard.rows.monitor import Kept, LocationStanding, Monitor
from dashboard.timespan import Timespan
from dashboard.view import View

POINTS = {"series": 240, "heat": 48, "bands": 60}
# Of one location, whose chart is as wide as the page: a day's every five minutes.
POINTS_OF_ONE = 288
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Scene:
    """One monitor as one address asks for it."""

    monitor: Monitor
    view: View
    standings: list[LocationStanding]
    settled_at: datetime
    now: datetime

    @property
    def shown(self) -> list[LocationStanding]:
        """The locations that the view asks for; all where it asks for none of these."""
        wanted = [s for s in self.standings if s.location in self.view.locations]
        return wanted or self.standings

    @property
    def limit_us(self) -> int | None:
        """From where on what its charts show is slow. None: nowhere, or they show a phase."""
        return self.monitor.slow_us if self.view.compare in ("", "total") else None

    @property
    def titles(self) -> dict[str, str]:
        """What its locations are called."""
        return {standing.location: standing.title for standing in self.standings}

    @property
    def last_at(self) -> datetime | None:
        """The slot of its newest result. None: there has never been any."""
        return max((s.slot_at for s in self.standings if s.slot_at), default=None)

    @property
    def around_last(self) -> str:
        """The query string of the day that ends a little after its newest result."""
        if self.last_at is None:
            return self.view.query()
        return self.view.query(span=Timespan(self.last_at - 23 * HOUR, self.last_at + HOUR))

    def names(self, locations: Sequence[str]) -> str:
        """Some of them in words."""
        return words.places(self.titles, locations)

    @property
    def alone(self) -> dict[str, str]:
        """The query strings of the same with one location only."""
        return {s.location: self.view.query(locations=(s.location,)) for s in self.standings}

    @property
    def numbers(self) -> dict[str, int]:
        """Which line's colour each location has, whichever of them are shown."""
        return {standing.location: at for at, standing in enumerate(self.standings)}

    @property
    def parameters(self) -> dict[str, Any]:
        """What every statement about the span needs."""
        return {
            "monitor_id": self.monitor.id,
            "locations": [standing.location for standing in self.shown],
            "from_at": self.view.span.from_at,
            "to_at": self.view.span.to_at,
        }

    def points(self, name: str) -> int:
        """About how many buckets the series, the heat map or the bands have."""
        if name == "series" and len(self.shown) == 1:
            return POINTS_OF_ONE
        return POINTS[name]

    def width(self, name: str, points: int | None = None) -> timedelta:
        """The width of a bucket: whole hours in a long span where hours are kept summed up."""
        wanted = points or self.points(name)
        width = self.view.span.bucket(self.monitor.interval_s, wanted)
        return max(width, HOUR) if name != "series" and self.view.span.is_long else width

    def bucketed(self, width: timedelta) -> dict[str, Any]:
        """The parameters of a statement with buckets: the first one is whole, or it would seem
        that results are missing from it."""
        from_at = timespan.floor(self.view.span.from_at, width)
        return {**self.parameters, "from_at": from_at, "bucket": width}


async def find(reader: Reader, monitor_id: int) -> Monitor:
    """The account's monitor.

    Raises: NotFound.
    """
    # Identities are 32 bits wide; a longer number is nobody's.
    found = None
    if monitor_id < 2**31:
        found = await reader.one(Monitor, "monitor", monitor_id=monitor_id)
    if found is None:
        raise NotFound("There is no such monitor in your account.")
    return found


async def read(request: Request, reader: Reader) -> Scene:
    """What a request asks for.

    Raises: NotFound, BadRequest.
    """
    now = datetime.now(UTC)
    monitor = await find(reader, request.path_params["monitor_id"])
    seen = view.parse(request.query_params, now, monitor.created_at)
    seen = replace(seen, span=await kept(reader, monitor.id, seen.span, now))
    settled = series.settled_at(seen.span, monitor, now)
    standings = await reader.all(LocationStanding, "monitor_standings", monitor_id=monitor.id)
    standings.sort(key=lambda standing: words.order(standing.title))
    return Scene(monitor, seen, standings, settled, now)


async def kept(reader: Reader, monitor_id: int, span: Timespan, now: datetime) -> Timespan:
    """The span itself, or its whole hours where the results of then are there no more."""
    if span.is_long or now - span.to_at <= timespan.DAY:
        return span
    found = await reader.the(
        Kept, "is_kept", monitor_id=monitor_id, from_at=span.from_at, to_at=span.to_at
    )
    return span if found.is_kept else span.in_hours()
