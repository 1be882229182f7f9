"""The numbers of a monitor's charts and tables: as data to draw or to take, as SQL, as a picture.

What an account's people ask for at the same time is made, and compressed, once for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dashboard import availability, certificates, chart, scene, series, static, table, usual, words
from dashboard.availability import LocationChecks
from dashboard.compression import Body
from dashboard.db import both
from dashboard.errors import BadRequest, NotFound
from dashboard.headers import CONTENT_SECURITY_POLICY
from dashboard.looks import Looks
from dashboard.number import whole
from dashboard.queries import by_width
from dashboard.rendering import fragment, zone_of
from dashboard.rows.baseline import Baseline
from dashboard.rows.certificate import Certificate
from dashboard.rows.figures import BandRow, HeatRow, SeriesColumns, SeriesRow
from dashboard.rows.result import Result
from dashboard.scene import HOUR, Scene
from dashboard.session import Visitor, enter, enter_twice, who

MOST_POINTS = 1_500
MOST_RESULTS = 10_000
SHAPES: dict[str, type[Any]] = {
    "series": SeriesRow,
    "heat": HeatRow,
    "bands": BandRow,
    "results": Result,
    "locations": LocationChecks,
    "usual": Baseline,
    "certificates": Certificate,
}
OTHER_FORMS = {
    "series": ("sql", "svg"),
    **dict.fromkeys(("heat", "bands", "results", "usual"), ("sql",)),
}


@dataclass(frozen=True, slots=True)
class Data:
    """What several may get as their answer. ``policy``: in place of what pages may load."""

    content: bytes
    media_type: str
    disposition: str = "inline"
    policy: str | None = None


async def answer(request: Request) -> Response:
    """Answer ``/m/{id}/{name}.json``, ``.csv``, ``.parquet``, ``.sql`` and ``series.svg``."""
    name, form = request.path_params["name"], request.path_params["form"]
    if name not in SHAPES or form not in (*table.MEDIA_TYPES, *OTHER_FORMS.get(name, ())):
        raise NotFound("There is no such data.")
    visitor = await who(request)
    zone = zone_of(request, visitor)
    looks: Looks = request.app.state.looks
    asked = (request.path_params["monitor_id"], name, form, request.url.query, zone)
    body, data = await looks.ask(
        (visitor.account_id, *asked),
        partial(_look, request, visitor, zone),
    )
    headers = {"Content-Disposition": data.disposition}
    if data.policy:
        headers["Content-Security-Policy"] = data.policy
    return body.response(request, data.media_type, headers)


async def _look(request: Request, visitor: Visitor, zone: tzinfo) -> tuple[Body, Data]:
    data = await _made(request, visitor, zone)
    return Body(data.content), data


async def _made(request: Request, visitor: Visitor, zone: tzinfo) -> Data:
    name, form = request.path_params["name"], request.path_params["form"]
    if name == "series" and form in ("json", "svg"):
        seen, drawn = await _series(request, visitor)
        if form == "json":
            return Data(msgspec.json.encode(drawn), "application/json")
        return _picture(seen, drawn, zone)
    shape, rows = SHAPES[name], list[Any]()
    async with enter(request, visitor) as reader:
        seen = await scene.read(request, reader)
        if name == "locations":
            rows = (await availability.checks(reader, seen)).by_location(seen)
        for statement, parameters in _statements(seen, name, _points(request)):
            rows = await reader.all(shape, statement, **parameters)
            if rows:
                break
        if form == "sql":
            return Data(for_readers(reader.text(statement, **parameters)), "text/plain")
    content, media_type = table.encode(form, shape, rows), table.MEDIA_TYPES[form]
    if form == "json":
        return Data(content, media_type)
    attached = f'attachment; filename="monitor-{seen.monitor.id}-{name}.{form}"'
    return Data(content, media_type, attached)


async def _series(request: Request, visitor: Visitor) -> tuple[Scene, series.Series]:
    """What charts draw. A location's columns take nothing of another's: half of them each are asked
    for side by side."""
    entered = enter_twice(request, visitor, partial(scene.read, request))
    async with entered as (seen, reader, another):
        for width in _widths(seen, "series", _points(request)):
            statement = f"{by_width('series', width)}_columns"
            parameters = seen.bucketed(width)
            locations = parameters.pop("locations")
            one, other = locations[::2], locations[1::2]
            columns = await both(
                reader.columns(SeriesColumns, statement, locations=one, **parameters),
                another.columns(SeriesColumns, statement, locations=other, **parameters),
            )
            if any(columns):
                break
    found = [*columns[0], *columns[1]]
    return seen, series.build(found, seen.shown, seen.view.span, width, seen.settled_at)


def _statements(seen: Scene, name: str, points: int | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """What to ask, one after the other until there are rows."""
    if name == "results":
        newest = {"before_at": seen.view.span.to_at, "before_location": "", "count": MOST_RESULTS}
        yield "results", {**seen.parameters, **newest}
    elif name == "usual":
        yield "usual", usual.asked(seen.monitor)
    elif name == "certificates":
        yield "certificates", certificates.asked(seen.monitor.id, count=MOST_RESULTS)
    elif name != "locations":
        for width in _widths(seen, name, points):
            yield by_width(name, width), seen.bucketed(width)


def _widths(seen: Scene, name: str, points: int | None) -> list[timedelta]:
    """How wide buckets are, and how wide where there is nothing: of what is so long ago that its
    results are not kept any more, hours are."""
    width = seen.width(name, points)
    return [width, HOUR] if seen.view.span.is_long and width < HOUR else [width]


def _picture(seen: Scene, drawn: series.Series, zone: tzinfo) -> Data:
    """A chart for each location, or one for all, as one SVG, which brings its own style."""
    if seen.view.compare:
        charts = [chart.compare(drawn, seen.view.compare, seen.numbers, seen.limit_us)]
    else:
        charts = chart.draw(drawn, same_scale=seen.view.scale == "same", limit_us=seen.limit_us)
    stacked = {name for each in charts for name, _ in each.outlines}
    phases = [name for name in series.PHASES if name in stacked]
    text = fragment(
        "picture.html",
        zone,
        charts=charts,
        phases=words.phases(seen.monitor.scheme, phases),
        height=chart.HEIGHT,
        view=seen.view,
        colours=static.text("colours.css"),
    )
    policy = CONTENT_SECURITY_POLICY.replace("style-src 'self'", "style-src 'unsafe-inline'")
    return Data(text.encode(), "image/svg+xml", policy=policy)


def for_readers(statement: str) -> bytes:
    """The statement as SREs can run it: on the schema that `vantage psql` sees."""
    return (statement.replace("report.", "vantage.") + ";\n").encode()


def _points(request: Request) -> int | None:
    text = request.query_params.get("points", "")
    if not text:
        return None
    points = whole(text, MOST_POINTS)
    if points is None or points < 10:
        raise BadRequest(f"points must lie between 10 and {MOST_POINTS:,}, not “{text}”.")
    return points
