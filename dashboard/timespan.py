"""The span of time a page is about, as its address says it. Pure; the clock is a parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dashboard import words
from dashboard.errors import BadRequest

PRESETS = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
    "365d": timedelta(days=365),
}
DEFAULT = "24h"
MONTH = timedelta(days=31)
LONGEST = timedelta(days=366)
SHORTEST = timedelta(minutes=1)

# Widths that divide a day (or an hour, a minute) evenly, so that buckets begin at round times; from
# ten minutes on they are made of what is summed up.
WIDTHS_S = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 10_800, 21_600)
DAY_S = 86_400
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Timespan:
    """From ``from_at`` up to, not including, ``to_at``. ``preset`` empty: both were given.

    ``is_in_hours``: it is shorter than a day, and read from whole hours all the same.
    """

    from_at: datetime
    to_at: datetime
    preset: str = ""
    is_in_hours: bool = False

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.to_at - self.from_at

    @property
    def is_long(self) -> bool:
        """Whether it is a day or longer: most of it is in whole hours, which are kept summed up."""
        return self.length >= DAY or self.is_in_hours

    @property
    def grain(self) -> str:
        """What the names of statements end in that read it by the day, by the hour, or at all."""
        if self.length > MONTH:
            return "_1d"
        return "_1h" if self.is_long else ""

    @property
    def edge(self) -> str:
        """The style, of rendering's formats, in which its ends are told apart."""
        return "day" if self.length > MONTH else "short"

    @property
    def title(self) -> str:
        """``24 h``; the length in words where it is no preset."""
        return words.span(self.length)

    @property
    def query(self) -> dict[str, str]:
        """The parameters that name it in an address."""
        if self.preset:
            return {"range": self.preset}
        return {"from": instant_name(self.from_at), "to": instant_name(self.to_at)}

    def in_hours(self) -> Timespan:
        """The whole hours that hold it."""
        return Timespan(
            floor(self.from_at, HOUR),
            floor(self.to_at + HOUR - timedelta(microseconds=1), HOUR),
            is_in_hours=True,
        )

    def bucket(self, interval_s: int, points: int) -> timedelta:
        """The width that cuts it into at most about ``points``, at least one slot in each."""
        wanted = max(self.length.total_seconds() / points, interval_s)
        if self.length > MONTH:
            wanted = max(wanted, DAY_S)
        elif self.is_in_hours:
            wanted = max(wanted, HOUR.total_seconds())
        for width in WIDTHS_S:
            if width >= wanted:
                return timedelta(seconds=width)
        return timedelta(seconds=-(-wanted // DAY_S) * DAY_S)


def parse(query: Mapping[str, str], now: datetime, since: datetime | None = None) -> Timespan:
    """Read ``range``, or ``from`` and ``to``. Where there is none: 24 hours, or the shortest preset
    that holds everything since ``since``. Longer than a month it begins with a day (UTC) and, where
    its end is given, ends with an hour: what it was made of may not be kept any more.

    Raises: BadRequest where they cannot be read or span too little or too much.
    """
    if query.get("from") or query.get("to"):
        return _between(query.get("from", ""), query.get("to", ""), now)
    preset = query.get("range") or _default(now, since)
    if preset not in PRESETS:
        raise BadRequest(f"“{preset}” is no range. Use one of {', '.join(PRESETS)}.")
    from_at = now - PRESETS[preset]
    return Timespan(floor(from_at, DAY) if now - from_at > MONTH else from_at, now, preset)


def _default(now: datetime, since: datetime | None) -> str:
    if since is None:
        return DEFAULT
    holding = (name for name, length in PRESETS.items() if now - since <= length)
    return min(next(holding, DEFAULT), DEFAULT, key=PRESETS.__getitem__)


def _between(from_text: str, to_text: str, now: datetime) -> Timespan:
    to_at = instant(to_text) if to_text else now
    from_at = instant(from_text) if from_text else to_at - PRESETS[DEFAULT]
    if to_at - from_at < SHORTEST:
        raise BadRequest("The range must begin at least a minute before it ends.")
    if to_at - from_at > LONGEST:
        raise BadRequest(f"A range may be up to {LONGEST.days} days long.")
    if to_at - from_at > MONTH:
        return Timespan(floor(from_at, DAY), floor(to_at, HOUR))
    return Timespan(from_at, to_at)


def instant(text: str) -> datetime:
    """An ISO 8601 instant; UTC where it names no zone.

    Raises: BadRequest where it is none.
    """
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadRequest(f"“{text}” is no date and time. Write 2026-11-23T13:30Z.") from None


def instant_name(at: datetime) -> str:
    """An instant as it stands in an address: to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def floor(at: datetime, width: timedelta) -> datetime:
    """The begin of the bucket that holds ``at``, counted from the Unix epoch as date_bin does."""
    epoch = datetime.fromtimestamp(0, UTC)
    return epoch + (at - epoch) // width * width


def buckets(timespan: Timespan, width: timedelta) -> list[datetime]:
    """The begins of every bucket that the span touches."""
    first = floor(timespan.from_at, width)
    number = -((first - timespan.to_at) // width)
    return [first + place * width for place in range(number)]
