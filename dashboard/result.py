"""One result's page: its verdict, its waterfall, its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from dashboard import certificates, scene, table, timespan, words
from dashboard.errors import BadRequest, NotFound
from dashboard.monitor_data import for_readers
from dashboard.pair import side_by_side
from dashboard.rendering import page
from dashboard.rows.location import Place
from dashboard.rows.monitor import Monitor
from dashboard.rows.result import Requested, ResultRow, SameSlot
from dashboard.session import visit
from dashboard.view import tz_of
from vantage.failure import cause, is_of_whole
from vantage.phase import PHASES


@dataclass(frozen=True, slots=True)
class Bar:
    """A phase in the waterfall. ``length_us`` None: `note` says why there is none."""

    phase: str
    title: str
    start_us: int
    length_us: int | None
    note: str
    is_failed: bool


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request of the waterfall. ``url`` was asked for; redirects come before the last."""

    hop: int
    url: str
    http_status: int | None
    start_us: int
    total_us: int
    bars: list[Bar]


async def show(request: Request) -> Response:
    """Answer ``/m/{id}/r/{slot}/{location}``."""
    key = _key(request)
    async with visit(request) as (visitor, reader):
        watched = await scene.find(reader, key["monitor_id"])
        place = await reader.one(Place, "place", location=key["location"])
        found = await reader.one(ResultRow, "result", **key)
        if place is None or found is None:
            raise NotFound("There is no result of this monitor, location and time.")
        requested = await reader.all(Requested, "requests", **key)
        shown = await certificates.seen_by(reader, watched.id, found)
        elsewhere = await reader.all(SameSlot, "same_slot", interval_s=watched.interval_s, **key)

    def of_role(role: str) -> list[Requested]:
        return [each for each in requested if each.role == role]

    return page(
        request,
        "result.html",
        visitor=visitor,
        monitor=watched,
        place=place,
        result=found,
        state=words.OUTCOME_STATES[found.outcome],
        sentence=sentence(watched, place, found),
        exchanges=list(waterfall(watched, found, of_role("hop"))),
        runs=side_by_side(found, of_role("pair")),
        certificate=shown,
        resources=[(each, drawn(each)) for each in of_role("resource")],
        elsewhere=sorted(elsewhere, key=lambda other: words.order(other.title)),
        phases=words.PHASES,
        tz=tz_of(request.query_params),
    )


async def requests(request: Request) -> Response:
    """Answer ``/m/{id}/r/{slot}/{location}/requests.csv``, ``.json``, ``.parquet``, ``.sql``."""
    key, form = _key(request), request.path_params["form"]
    async with visit(request) as (_, reader):
        watched = await scene.find(reader, key["monitor_id"])
        rows = await reader.all(Requested, "requests", **key)
        if not rows or form not in (*table.MEDIA_TYPES, "sql"):
            raise NotFound("There is no such data of a result.")
        if form == "sql":
            return Response(for_readers(reader.text("requests", **key)), media_type="text/plain")
    return table.attached(f"monitor-{watched.id}-requests", form, Requested, rows)


def _key(request: Request) -> dict[str, Any]:
    return {
        "monitor_id": request.path_params["monitor_id"],
        "location": request.path_params["location"].replace("\0", ""),
        "slot_at": _slot(request.path_params["slot"]),
    }


def sentence(watched: Monitor, place: Place, found: ResultRow) -> str:
    """The verdict."""
    if found.failure is None:
        return f"Up from {place.title} in {words.duration(found.total_us)}"
    if found.failure == "too_slow":
        limit = f", over the limit of {words.duration(watched.slow_us)}" if watched.slow_us else ""
        return f"Slow from {place.title}: {words.duration(found.total_us)}{limit}"
    return f"{cause(found.failure, found.http_status)} from {place.title}"


def waterfall(watched: Monitor, found: ResultRow, hops: list[Requested]) -> Iterator[Exchange]:
    """Every request in its order, each beginning where the one before it ended."""
    start = 0
    for hop in hops:
        bars = list(_bars(hop, start, ""))
        yield Exchange(hop.hop, hop.url, hop.http_status, start, hop.total_us, bars)
        start += hop.total_us
    # The last exchange begins after everything before it, even where a hop's row is gone.
    start = found.redirect_us
    yield Exchange(
        len(hops) + 1,
        found.url or watched.url,
        found.http_status,
        start,
        found.total_us - start - (found.resources_us or 0),
        [
            replace(bar, title=words.WAITS.get(watched.scheme, bar.title))
            if bar.phase == "wait"
            else bar
            for bar in _bars(found, start, _failed_phase(found))
            # Of the others nobody knows which phases they would have had.
            if watched.is_http or bar.length_us is not None
        ],
    )


def _failed_phase(found: ResultRow) -> str:
    """Where it broke off; empty: nowhere, or all of it arrived and was judged."""
    is_whole = found.failure is not None and is_of_whole(found.failure)
    return "" if is_whole else found.failed_phase or ""


def drawn(resource: Requested) -> list[tuple[str, int, int]]:
    """A resource's phases in one bar: name, start and length, those that took any time."""
    start = resource.start_us or 0
    bars = []
    for name in PHASES:
        length = getattr(resource, f"{name}_us")
        if length:
            bars.append((name, start, length))
            start += length
    return bars


def _bars(timed: Requested | ResultRow, start: int, failed: str) -> Iterator[Bar]:
    lengths = {name: getattr(timed, f"{name}_us") for name in PHASES}
    last = max((at for at, name in enumerate(PHASES) if lengths[name] is not None), default=-1)
    for at, name in enumerate(PHASES):
        length = lengths[name]
        note = "" if length is not None else ("not needed" if at < last else "not reached")
        yield Bar(name, words.PHASES[name], start, length, note, name == failed)
        start += length or 0


def _slot(text: str) -> datetime:
    try:
        return timespan.instant(text)
    except BadRequest:
        raise NotFound("There is no result of that time.") from None
