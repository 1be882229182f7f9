"""What of a monitor's page the server draws itself: its map, its heat map, its percentile bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard import atlas, bands, heat_map, series, timespan, words
from dashboard.availability import Checks
from dashboard.cells import Clock
from dashboard.db import Reader
from dashboard.queries import by_width
from dashboard.rows.figures import BandRow, HeatColumns
from dashboard.scene import Scene


@dataclass(frozen=True, slots=True)
class Heat:
    """A row for each location that is shown."""

    clock: Clock
    rows: list[heat_map.Row]

    @property
    def legend(self) -> list[str]:
        """What each step of colour stands for."""
        return heat_map.legend()


@dataclass(frozen=True, slots=True)
class Spread:
    """All of them together. ``bands`` None: nothing passed."""

    clock: Clock
    bands: bands.Bands | None

    @property
    def names(self) -> tuple[str, ...]:
        """The lowest band first."""
        return bands.NAMES


async def heat(reader: Reader, scene: Scene) -> Heat:
    """The heat map of the scene's span."""
    width = scene.width("heat")
    statement = f"{by_width('heat', width)}_columns"
    rows = await reader.columns(HeatColumns, statement, **scene.bucketed(width))
    found = {row.location: row for row in rows}
    begins = timespan.buckets(scene.view.span, width)
    return Heat(
        Clock(begins[0], width),
        [
            heat_map.row(
                standing,
                found.get(standing.location),
                series.due(begins, width, standing.first_slot_at, scene.settled_at),
            )
            for standing in scene.shown
        ],
    )


async def spread(reader: Reader, scene: Scene) -> Spread:
    """The percentile bands of the scene's span."""
    width = scene.width("bands")
    rows = await reader.all(BandRow, by_width("bands", width), **scene.bucketed(width))
    begins = timespan.buckets(scene.view.span, width)
    return Spread(Clock(begins[0], width), bands.draw(begins, rows))


def dots(scene: Scene, checks: Checks) -> Sequence[atlas.Dot]:
    """The monitor's locations that are known to lie somewhere."""
    return atlas.draw(
        [
            atlas.Spot(
                standing.location,
                standing.title,
                standing.state,
                standing.latitude,
                standing.longitude,
                words.duration(own.median_us) if own and own.median_us is not None else "",
                standing.failure,
            )
            for standing in scene.standings
            if standing.latitude is not None and standing.longitude is not None
            for own in [checks.at.get(standing.location)]
        ]
    )
