"""A monitor's page: how it stands, how it has been, what it did last.

What an account's people see of it at the same time is made once for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboard import (
    agreement,
    atlas,
    availability,
    bands,
    certificates,
    forms,
    heat_map,
    run_now,
    series,
    session,
    timespan,
    usual,
    view,
    words,
)
from dashboard.db import Reader
from dashboard.errors import NotFound
from dashboard.looks import Looks
from dashboard.queries import by_width
from dashboard.rendering import fragment, page, zone_of
from dashboard.rows.figures import BandRow, HeatColumns, SpanStats
from dashboard.rows.incident import Verdict
from dashboard.rows.maintenance import Maintenance
from dashboard.rows.monitor import Asked, LocationStanding
from dashboard.rows.result import RecentRow
from dashboard.run_now import Run
from dashboard.scene import Scene, find, read
from dashboard.session import Visitor, enter, visit, who

RECENT = 12
PATIENCE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Seen:
    """What an account's people see alike of a monitor. ``run``: as the address names it."""

    scene: Scene
    verdict: str
    has_results: bool
    run: Run | None
    main: Markup


async def show(request: Request) -> Response:
    """Answer ``/m/{id}``. Its charts are drawn from the series, by a script or as a picture."""
    visitor = await who(request)
    zone = zone_of(request, visitor)
    looks: Looks = request.app.state.looks
    asked = (request.path_params["monitor_id"], request.url.query, zone, visitor.is_editor)
    seen = await looks.ask(
        (visitor.account_id, "monitor", *asked), partial(_look, request, visitor, zone)
    )
    return page(
        request,
        "monitor.html",
        visitor=visitor,
        seen=seen,
        monitor=seen.scene.monitor,
        view=seen.scene.view,
        presets=timespan.PRESETS,
    )


async def _look(request: Request, visitor: Visitor, zone: tzinfo) -> Seen:
    async with enter(request, visitor) as reader:
        scene = await read(request, reader)
        stats = await availability.read(
            reader,
            scene.monitor.id,
            [standing.location for standing in scene.shown],
            scene.view.span,
            scene.settled_at,
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
    by_location = {row.location: row for row in stats if row.location}
    overall = next((row for row in stats if row.is_shown), None)
    state = agreement.state(agreement.counted(scene.standings), quorum.state if quorum else None)
    slower = len(quorum.slower) if quorum else 0
    verdict = agreement.sentence(state, scene.standings, slower=slower)
    main = fragment(
        "monitor_main.html",
        zone,
        now=scene.now,
        scene=scene,
        monitor=scene.monitor,
        view=scene.view,
        standings=scene.standings,
        is_editor=visitor.is_editor,
        verdict=verdict,
        state=state,
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
        titles={standing.location: standing.title for standing in scene.standings},
        titles_shown=[(standing.location, standing.title) for standing in scene.shown],
        dots=atlas.draw(_spots(scene, by_location)),
        location_links={
            standing.location: scene.view.query(locations=(standing.location,))
            for standing in scene.standings
        },
        numbers=scene.numbers,
        measures=words.phases(scene.monitor.scheme, series.MEASURES),
        heat=heat,
        spread=spread,
        band_width=scene.width("bands"),
        band_names=bands.NAMES,
        heat_width=scene.width("heat"),
        chart_width=scene.width("series"),
        legend=heat_map.legend(),
        recent=recent,
        last_at=max((s.slot_at for s in scene.standings if s.slot_at), default=None),
        causes=_likely_causes(scene),
        outcome_states=words.OUTCOME_STATES,
        around=_around,
    )
    return Seen(scene, verdict, overall is not None, run, main)


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


async def _heat(reader: Reader, scene: Scene) -> list[heat_map.Row]:
    width = scene.width("heat")
    statement = f"{by_width('heat', width)}_columns"
    rows = await reader.all(HeatColumns, statement, **scene.bucketed(width))
    found = {row.location: row for row in rows}
    begins = timespan.buckets(scene.view.span, width)
    columns = heat_map.columns(begins, width)
    return [
        heat_map.row(
            standing,
            columns,
            found.get(standing.location),
            series.due(begins, width, standing.first_slot_at, scene.settled_at),
            scene.view,
        )
        for standing in scene.shown
    ]


async def _bands(reader: Reader, scene: Scene) -> bands.Bands | None:
    width = scene.width("bands")
    rows = await reader.all(BandRow, by_width("bands", width), **scene.bucketed(width))
    return bands.draw(timespan.buckets(scene.view.span, width), rows)
