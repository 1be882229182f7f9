"""A monitor's page: how it stands, how it has been, what it did last.

What an account's people see of it at the same time is made once for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboard import (
    availability,
    certificates,
    forms,
    present,
    run_now,
    series,
    session,
    still,
    timespan,
    view,
    words,
)
from dashboard.availability import Checks
from dashboard.db import Reader, both
from dashboard.errors import NotFound
from dashboard.looks import Looks
from dashboard.monitor_data import MOST_RESULTS
from dashboard.present import Present
from dashboard.rendering import fragment, page, zone_of
from dashboard.rows.certificate import Certificate
from dashboard.rows.monitor import Asked
from dashboard.rows.result import RecentRow
from dashboard.run_now import Run
from dashboard.scene import Scene, find, read
from dashboard.session import Visitor, enter_twice, visit, who
from dashboard.still import Heat, Spread

RECENT = 12


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
    entered = enter_twice(request, visitor, partial(read, request))
    async with entered as (scene, reader, another):
        (checks, now), (recent, heat, spread, seen_certificates) = await both(
            _figures(reader, scene), _course(another, scene)
        )
        run = await run_now.what_became(
            request.query_params, reader, scene.monitor, scene.standings, scene.now
        )
    main = fragment(
        "monitor_main.html",
        zone,
        scene=scene,
        present=now,
        checks=checks,
        heat=heat,
        spread=spread,
        dots=still.dots(scene, checks),
        recent=recent,
        expiry=certificates.first_to_expire(scene.standings, scene.now),
        certificates=seen_certificates,
        is_editor=visitor.is_editor,
        most_results=MOST_RESULTS,
        measures=words.phases(scene.monitor.scheme, series.MEASURES),
    )
    return Seen(scene, now.sentence, checks.overall is not None, run, main)


async def _figures(reader: Reader, scene: Scene) -> tuple[Checks, Present]:
    return await availability.checks(reader, scene), await present.read(reader, scene)


async def _course(
    reader: Reader, scene: Scene
) -> tuple[list[RecentRow], Heat, Spread, list[Certificate]]:
    return (
        await _recent(reader, scene),
        await still.heat(reader, scene),
        await still.spread(reader, scene),
        await certificates.shown(reader, scene.monitor.id),
    )


async def _recent(reader: Reader, scene: Scene) -> list[RecentRow]:
    """The newest few results of the span. They nearly always lie in its last slots: dozens of rows
    to read and sort instead of all that the span holds. Where they do not, they are looked for ever
    further back."""
    span = scene.view.span
    ends = [s.slot_at for s in scene.shown if s.slot_at is not None]
    end_at = min(span.to_at, max(ends, default=span.to_at))
    back = timedelta(seconds=scene.monitor.interval_s) * (2 + RECENT // max(1, len(scene.shown)))
    while True:
        from_at = max(span.from_at, end_at - back)
        near = {**scene.parameters, "from_at": from_at}
        found = await reader.all(RecentRow, "recent", count=RECENT, **near)
        if len(found) == RECENT or from_at == span.from_at:
            return found
        back *= 8


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
