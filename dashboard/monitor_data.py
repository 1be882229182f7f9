"""The numbers of a monitor's charts: as data to draw or to download, as SQL, and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import timedelta, tzinfo
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dashboard import chart, parquet, scene, series, spreadsheet, static
from dashboard.db import Reader
from dashboard.errors import BadRequest, NotFound
from dashboard.headers import CONTENT_SECURITY_POLICY
from dashboard.queries import by_width
from dashboard.rendering import fragment, zone_of
from dashboard.rows.figures import BandRow, HeatRow, SeriesRow
from dashboard.scene import Scene
from dashboard.session import visit

MOST_POINTS = 1_500
SHAPES = {"series": SeriesRow, "heat": HeatRow, "bands": BandRow}
FORMS = ("json", "csv", "parquet", "sql")


async def answer(request: Request) -> Response:
    """Answer ``/m/{id}/{name}.json``, ``.csv``, ``.parquet`` and ``.sql``, and ``series.svg``."""
    name, form = request.path_params["name"], request.path_params["form"]
    if name not in SHAPES or (form not in FORMS and (name, form) != ("series", "svg")):
        raise NotFound("There is no such data.")
    async with visit(request) as (visitor, reader):
        seen = await scene.read(request, reader)
        width = seen.width(name, _points(request))
        if name == "series" and form in ("json", "svg"):
            drawn = await _series(reader, seen, width)
            if form == "json":
                return _data(msgspec.json.encode(drawn), "application/json")
            return _picture(seen, drawn, zone_of(request, visitor))
        statement, parameters = by_width(name, width), seen.bucketed(width)
        if form == "sql":
            return _data(_for_readers(reader.text(statement, **parameters)), "text/plain")
        rows: list[Any] = await reader.all(SHAPES[name], statement, **parameters)
    if form == "json":
        return _data(msgspec.json.encode(rows), "application/json")
    attached = f'attachment; filename="monitor-{seen.monitor.id}-{name}.{form}"'
    if form == "parquet":
        content = parquet.encode(SHAPES[name], rows)
        return _data(content, "application/vnd.apache.parquet", attached)
    return _data(_csv(SHAPES[name], rows), "text/csv", attached)


async def _series(reader: Reader, seen: Scene, width: timedelta) -> series.Series:
    rows = await reader.all(SeriesRow, by_width("series", width), **seen.bucketed(width))
    return series.build(rows, seen.shown, seen.view.span, width, seen.settled_at)


def _picture(seen: Scene, drawn: series.Series, zone: tzinfo) -> Response:
    """A chart for each location, or one for all, as one SVG, which brings its own style."""
    if seen.view.compare:
        charts = [chart.compare(drawn, seen.view.compare, seen.numbers)]
    else:
        charts = chart.draw(drawn, same_scale=seen.view.scale == "same")
    text = fragment(
        "picture.html",
        zone,
        charts=charts,
        height=chart.HEIGHT,
        view=seen.view,
        colours=static.text("colours.css"),
    )
    policy = CONTENT_SECURITY_POLICY.replace("style-src 'self'", "style-src 'unsafe-inline'")
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": policy}
    return Response(text, media_type="image/svg+xml", headers=headers)


def _for_readers(statement: str) -> bytes:
    """The statement as SREs can run it: on the schema that `vantage psql` sees."""
    return (statement.replace("report.", "vantage.") + ";\n").encode()


def _csv(shape: type[Any], rows: Sequence[Any]) -> bytes:
    names = [field.name for field in fields(shape)]
    return spreadsheet.encode([names, *(asdict(row).values() for row in rows)])


def _data(content: bytes, media_type: str, disposition: str = "inline") -> Response:
    headers = {"Cache-Control": "no-store", "Content-Disposition": disposition}
    return Response(content, media_type=media_type, headers=headers)


def _points(request: Request) -> int | None:
    text = request.query_params.get("points", "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or not 10 <= int(text[:9]) <= MOST_POINTS:
        raise BadRequest(f"points must lie between 10 and {MOST_POINTS:,}, not “{text}”.")
    return int(text)
