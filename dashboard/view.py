"""The state of a monitor's page, all of it in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from dashboard import timespan
from dashboard.series import MEASURES
from dashboard.timespan import Timespan


@dataclass(frozen=True, slots=True)
class View:
    """``locations``: only these; empty: all. ``scale``: same or own. ``tz``: UTC, or local.

    ``compare``: the measure by which all locations stand in one chart; empty: a chart for each.
    """

    span: Timespan
    locations: tuple[str, ...] = ()
    scale: str = "same"
    compare: str = ""
    tz: str = ""

    def query(self, **changes: Any) -> str:
        """The query string of this view, changed."""
        view = replace(self, **changes)
        return "?" + urlencode({**view.span.query, **view.choices()}, safe=":,")

    def choices(self, **changes: Any) -> dict[str, str]:
        """The parameters of this view, changed, besides those of its span."""
        view = replace(self, **changes) if changes else self
        values = {
            "loc": ",".join(view.locations),
            "scale": "own" if view.scale == "own" else "",
            "compare": view.compare,
            "tz": view.tz,
        }
        return {name: value for name, value in values.items() if value}

    def preset(self, name: str) -> str:
        """The query string of this view over a preset range."""
        return self.query(span=replace(self.span, preset=name))


def parse(query: Mapping[str, str], now: datetime, since: datetime | None = None) -> View:
    """Read an address's parameters. ``since``: when what the page is about began; None: long ago.

    Raises: BadRequest where the span of time cannot be used.
    """
    compare = query.get("compare", "")
    return View(
        span=timespan.parse(query, now, since),
        locations=tuple(name for name in query.get("loc", "").split(",") if name),
        scale="own" if query.get("scale") == "own" else "same",
        compare=compare if compare in MEASURES else "",
        tz=tz_of(query),
    )


def tz_of(query: Mapping[str, str]) -> str:
    """``UTC`` where an address asks for its times; empty: they are written as each reader likes."""
    return "UTC" if query.get("tz", "").upper() == "UTC" else ""
