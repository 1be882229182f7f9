"""A monitor's page: how it stands, how it has been, what it did last; and the same as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboard import (
    atlas,
    bands,
    certificates,
    chart,
    forms,
    heat_map,
    parquet,
    run_now,
    series,
    session,
    spreadsheet,
    timespan,
    usual,
    view,
    words,
)
from dashboard.db import Reader
from dashboard.errors import BadRequest, NotFound
from dashboard.queries import by_width
from dashboard.rendering import page
from dashboard.rows.figures import BandRow, HeatRow, SeriesRow, SpanStats
from dashboard.rows.incident import Verdict
from dashboard.rows.maintenance import Maintenance
from dashboard.rows.monitor import Asked, LocationStanding, Monitor
from dashboard.rows.result import RecentRow
from dashboard.session import visit
from dashboard.view import View

POINTS = 240
MOST_POINTS = 1_500
HEAT_CELLS = 48
BANDS = 60
RECENT = 12
PATIENCE = timedelta(seconds=60)
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
    def parameters(self) -> dict[str, Any]:
        """What every statement about the span needs."""
        return {
            "monitor_id": self.monitor.id,
            "locations": [standing.location for standing in self.shown],
            "from_at": self.view.span.from_at,
            "to_at": self.view.span.to_at,
        }

    def bucket(self, points: int) -> timedelta:
        """The width of a bucket for so many points."""
        return self.view.span.bucket(self.monitor.interval_s, points)

    def banded(self, points: int) -> timedelta:
        """The width of a bucket for so many percentile bands: whole hours in a long span."""
        width = self.bucket(points)
        return max(width, HOUR) if self.view.span.is_long else width

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


async def _scene(request: Request, reader: Reader) -> Scene:
    now = datetime.now(UTC)
    monitor = await find(reader, request.path_params["monitor_id"])
    seen = view.parse(request.query_params, now, monitor.created_at)
    settled = series.settled_at(seen.span, monitor, now)
    standings = await reader.all(
        LocationStanding,
        "monitor_standings",
        monitor_id=monitor.id,
        from_at=seen.span.from_at,
        settled_at=settled,
    )
    standings.sort(key=lambda standing: words.order(standing.title))
    return Scene(monitor, seen, standings, settled, now)


async def show(request: Request) -> Response:
    """Answer ``/m/{id}``. A page that only refreshes itself draws its charts from the series."""
    is_refresh = request.headers.get("x-vantage-refresh") == "yes"
    async with visit(request) as (visitor, reader):
        scene = await _scene(request, reader)
        stats = await reader.all(
            SpanStats,
            "monitor_stats_1h" if scene.view.span.is_long else "monitor_stats",
            settled_at=scene.settled_at,
            **scene.parameters,
        )
        recent = await _recent(reader, scene)
        heat = await _heat(reader, scene)
        spread = await _bands(reader, scene)
        seen_certificates = await certificates.shown(reader, scene.monitor.id)
        maintenance = await reader.one(Maintenance, "maintenance_of", monitor_id=scene.monitor.id)
        run = await run_now.what_became(
            request.query_params, reader, scene.monitor, scene.standings, scene.now
        )
        compared_with_usual = await usual.compared(reader, scene.monitor, scene.standings)
        quorum = await reader.one(Verdict, "verdict", monitor_id=scene.monitor.id)
        drawn = None if is_refresh else await _series(reader, scene, POINTS)
    charts, compared = _charts(drawn, scene.view)
    by_location = {row.location: row for row in stats if row.location}
    overall = next((row for row in stats if row.is_shown), None)
    states = [standing.state for standing in scene.standings]
    return page(
        request,
        "monitor.html",
        visitor=visitor,
        scene=scene,
        monitor=scene.monitor,
        view=scene.view,
        standings=scene.standings,
        verdict_sentence=words.verdict(states),
        worst=words.worst(states),
        quorum=quorum,
        usual=compared_with_usual,
        usual_titles=usual.TITLES,
        names=partial(words.places, {each.location: each.title for each in scene.standings}),
        overall=overall,
        stats=by_location,
        missing={s.location: _missing(by_location.get(s.location), [s]) for s in scene.standings},
        missing_overall=_missing(overall, scene.shown),
        certificate=certificate(scene.standings, scene.now),
        certificates=seen_certificates,
        maintenance=maintenance,
        run=run,
        titles={standing.location: standing.title for standing in scene.standings},
        dots=atlas.draw(_spots(scene, by_location)),
        location_link=lambda location: scene.view.query(locations=(location,)),
        charts=charts,
        compared=compared,
        numbers={standing.location: at for at, standing in enumerate(scene.standings)},
        measured=_measured(drawn) | {scene.view.compare},
        measures=words.phases(scene.monitor.scheme, series.MEASURES),
        heat=heat,
        spread=spread,
        band_width=scene.banded(BANDS),
        band_names=bands.NAMES,
        heat_width=scene.bucket(HEAT_CELLS),
        chart_width=scene.bucket(POINTS),
        legend=heat_map.legend(),
        recent=recent,
        last_at=max((s.slot_at for s in scene.standings if s.slot_at), default=None),
        causes=_likely_causes(scene),
        presets=timespan.PRESETS,
        phases=words.phases(scene.monitor.scheme, series.PHASES),
        drawn_phases={name for each in charts for name, _ in each.outlines},
        outcome_states=words.OUTCOME_STATES,
        around=_around,
        heat_link=partial(_zoomed, scene.view),
    )


async def _recent(reader: Reader, scene: Scene) -> list[RecentRow]:
    """The newest few results of the span. They nearly always lie in its last slots: dozens of rows
    to read and sort instead of all that the span holds."""
    ends = [s.slot_at for s in scene.shown if s.slot_at is not None]
    end_at = min(scene.view.span.to_at, max(ends, default=scene.view.span.to_at))
    slots = 2 + RECENT // max(1, len(scene.shown))
    near = {
        **scene.parameters,
        "from_at": end_at - timedelta(seconds=scene.monitor.interval_s) * slots,
    }
    if near["from_at"] > scene.view.span.from_at:
        found = await reader.all(RecentRow, "recent", count=RECENT, **near)
        if len(found) == RECENT:
            return found
    return await reader.all(RecentRow, "recent", count=RECENT, **scene.parameters)


async def ask(request: Request) -> Response:
    """Answer ``POST /m/{id}/run``: ask for a result now, then go back to the page, which tells."""
    await forms.read(request, session.token_of(request))
    async with visit(request) as (_, reader):
        monitor = await find(reader, request.path_params["monitor_id"])
        seen = view.parse(request.query_params, datetime.now(UTC), monitor.created_at)
        asked = await reader.one(Asked, "run_now", monitor_id=monitor.id)
    if asked is None or asked.requested_at is None:
        raise NotFound("There is no such monitor in your account.")
    ran = words.slot_name(asked.requested_at)
    return RedirectResponse(f"/m/{monitor.id}{seen.query()}&ran={ran}", 303)


def certificate(standings: Sequence[LocationStanding], now: datetime) -> dict[str, Any] | None:
    """The one that expires first. None: no location has seen any."""
    ends = [standing.cert_expires_at for standing in standings if standing.cert_expires_at]
    if not ends:
        return None
    return {
        "expires_at": min(ends),
        "left": words.days_left(min(ends), now),
        "is_soon": min(ends) - now < timedelta(days=14),
        "is_same": len(set(ends)) == 1,
        "seen_from": len(ends),
    }


def _spots(scene: Scene, stats: Mapping[str, SpanStats]) -> list[atlas.Spot]:
    """The monitor's locations that are known to lie somewhere."""
    return [
        atlas.Spot(
            standing.location,
            standing.title,
            standing.state,
            standing.latitude,
            standing.longitude,
            words.duration(own.median_us) if own and own.median_us is not None else "",
        )
        for standing in scene.standings
        if standing.latitude is not None and standing.longitude is not None
        for own in [stats.get(standing.location)]
    ]


def _missing(stats: SpanStats | None, standings: Sequence[LocationStanding]) -> int:
    """Slots that were due long enough ago and have no result."""
    return max(0, sum(s.due for s in standings) - (stats.settled if stats else 0))


def _likely_causes(scene: Scene) -> list[tuple[str, datetime | None]]:
    """Locations that have waited for a minute, and when an agent there was last heard of."""
    if scene.now - scene.monitor.created_at < PATIENCE:
        return []
    return [
        (standing.title, standing.last_seen_at)
        for standing in scene.standings
        if standing.state in ("waiting", "missing")
    ]


def _around(at: datetime) -> timespan.Timespan:
    """A day that ends a little after ``at``."""
    return timespan.Timespan(at - timedelta(hours=23), at + timedelta(hours=1))


def _zoomed(seen: View, from_at: datetime, to_at: datetime, location: str) -> str:
    """The view of one location between two instants."""
    return seen.query(span=timespan.Timespan(from_at, to_at), locations=(location,))


def _charts(
    drawn: series.Series | None, seen: View
) -> tuple[list[chart.Chart], chart.Comparison | None]:
    """A chart for each location, or one for all."""
    if drawn is None:
        return [], None
    if seen.compare:
        return [], chart.compare(drawn, seen.compare)
    return chart.draw(drawn, same_scale=seen.scale == "same"), None


def _measured(drawn: series.Series | None) -> set[str]:
    """The measures that say anything here."""
    places = drawn.locations if drawn else []
    return {name for name in series.MEASURES if any(any(p.measure(name)) for p in places)}


async def _series(reader: Reader, scene: Scene, points: int) -> series.Series:
    width = scene.bucket(points)
    rows = await reader.all(SeriesRow, by_width("series", width), **scene.bucketed(width))
    return series.build(rows, scene.shown, scene.view.span, width, scene.settled_at)


async def _heat(reader: Reader, scene: Scene) -> list[heat_map.Row]:
    width = scene.bucket(HEAT_CELLS)
    rows = await reader.all(HeatRow, by_width("heat", width), **scene.bucketed(width))
    begins = timespan.buckets(scene.view.span, width)
    return [
        heat_map.row(
            standing,
            begins,
            {row.bucket_at: row for row in rows if row.location == standing.location},
            series.due(begins, width, standing.first_slot_at, scene.settled_at),
        )
        for standing in scene.shown
    ]


async def _bands(reader: Reader, scene: Scene) -> bands.Bands | None:
    width = scene.banded(BANDS)
    rows = await reader.all(BandRow, by_width("bands", width), **scene.bucketed(width))
    return bands.draw(timespan.buckets(scene.view.span, width), rows)


DATA = {"series": (SeriesRow, POINTS), "heat": (HeatRow, HEAT_CELLS), "bands": (BandRow, BANDS)}
"""What can be downloaded: a statement's name, its rows, how many buckets by default."""


async def data(request: Request) -> Response:
    """Answer ``/m/{id}/{name}.json``, ``.csv``, ``.parquet`` and ``.sql``: a chart's numbers."""
    name, form = request.path_params["name"], request.path_params["form"]
    if name not in DATA or form not in ("json", "csv", "parquet", "sql"):
        raise NotFound("There is no such data.")
    shape, usual = DATA[name]
    points = _points(request, usual)
    async with visit(request) as (_, reader):
        scene = await _scene(request, reader)
        if name == "series" and form == "json":
            drawn = await _series(reader, scene, points)
            return _data(msgspec.json.encode(drawn), "application/json")
        width = scene.banded(points) if name == "bands" else scene.bucket(points)
        statement, parameters = by_width(name, width), scene.bucketed(width)
        if form == "sql":
            return _data(_for_readers(reader.text(statement, **parameters)), "text/plain")
        rows: list[Any] = await reader.all(shape, statement, **parameters)
    if form == "json":
        return _data(msgspec.json.encode(rows), "application/json")
    attached = f'attachment; filename="monitor-{scene.monitor.id}-{name}.{form}"'
    if form == "parquet":
        return _data(parquet.encode(shape, rows), "application/vnd.apache.parquet", attached)
    return _data(_csv(shape, rows), "text/csv", attached)


def _for_readers(statement: str) -> bytes:
    """The statement as SREs can run it: on the schema that `vantage psql` sees."""
    return (statement.replace("report.", "vantage.") + ";\n").encode()


def _csv(shape: type[Any], rows: Sequence[Any]) -> bytes:
    names = [field.name for field in fields(shape)]
    return spreadsheet.encode([names, *(asdict(row).values() for row in rows)])


def _data(content: bytes, media_type: str, disposition: str = "inline") -> Response:
    headers = {"Cache-Control": "no-store", "Content-Disposition": disposition}
    return Response(content, media_type=media_type, headers=headers)


def _points(request: Request, usual: int) -> int:
    text = request.query_params.get("points", "")
    if not text:
        return usual
    if not text.isascii() or not text.isdigit() or not 10 <= int(text[:9]) <= MOST_POINTS:
        raise BadRequest(f"points must lie between 10 and {MOST_POINTS:,}, not “{text}”.")
    return int(text)
