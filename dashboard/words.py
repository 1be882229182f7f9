"""How numbers, causes and states are put into words. Pure; every page uses the same ones."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from vantage.failure import degraded
from vantage.phase import TITLES

NOTHING = "\N{EN DASH}"

STATES = {
    "up": "Up",
    "slow": "Slow",
    "down": "Down",
    "missing": "No data",
    "waiting": "Waiting",
    "paused": "Paused",
}
"""A location's state and its word; the order of severity is `SEVERITY`."""


def state(name: str, failure: str | None = None) -> str:
    """A state's word. What is degraded by something else than its time is not slow."""
    return degraded(failure) if name == "slow" else STATES[name]


SEVERITY = ("down", "slow", "missing", "waiting", "up", "paused")
PROBLEMS = frozenset({"down", "slow", "missing"})

OUTCOME_STATES = {"up": "up", "degraded": "slow", "down": "down"}

PHASES = {
    "total": "Total",
    "redirect": "Redirects",
    **TITLES,
    "resources": "Resources of the page",
}

# What the phase wait is where there is no first byte.
WAITS = {"icmp": "Mean round trip", "dns": "Waiting for the answer"}


def phases(scheme: str, names: Iterable[str]) -> dict[str, str]:
    """The titles of these phases of a probe of such a URL."""
    titles = {**PHASES, "wait": WAITS.get(scheme, PHASES["wait"])}
    return {name: titles[name] for name in names}


def duration(micros: int | None) -> str:
    """Milliseconds below 10 s, then seconds."""
    if micros is None:
        return NOTHING
    if micros < 9_950:
        return f"{micros / 1000:.1f} ms"
    if micros < 9_999_500:
        return f"{round(micros / 1000):,} ms"
    return f"{micros / 1_000_000:,.1f} s"


def exact(micros: int | None) -> str:
    """Milliseconds to a tenth, for one measurement's phases; below one, all that was measured."""
    if micros is None:
        return NOTHING
    return f"{micros / 1000:,.{3 if 0 < micros < 1000 else 1}f} ms"


def share(part: int, whole: int) -> str:
    """Per cent, rounded down: 100.00 % means all of them."""
    if not whole:
        return NOTHING
    hundredths = part * 10_000 // whole
    return f"{hundredths // 100}.{hundredths % 100:02d} %"


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 check``, ``7,149 checks``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def amount(size: int) -> str:
    """Bytes as they were counted."""
    return f"{size:,} B"


def span(length: timedelta) -> str:
    """A length of time by its largest unit: ``24 h``, ``7 days``, ``5 min``."""
    seconds = round(length.total_seconds())
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size * (2 if unit == "days" else 1):
            return f"{seconds // size:,} {unit}"
    return f"{seconds} s"


def every(seconds: int) -> str:
    """How often, by the largest unit that says it exactly: ``every minute``, ``every 90 s``."""
    units = (("hour", "h", 3_600), ("minute", "min", 60), ("second", "s", 1))
    unit, short, size = next(each for each in units if seconds % each[2] == 0)
    return f"every {unit}" if seconds == size else f"every {seconds // size:,} {short}"


def lasted(seconds: int) -> str:
    """How long something lasted, by its two largest units: ``40 s``, ``12 min``, ``3 h 5 min``."""
    if seconds < 60:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    large, small, names = (*divmod(minutes, 60), ("h", "min"))
    if large >= 48:
        large, small, names = (*divmod(large, 24), ("d", "h"))
    return f"{large} {names[0]}" + (f" {small} {names[1]}" if small else "")


def ago(at: datetime, now: datetime) -> str:
    """How long before ``now``; never negative, clocks differ."""
    return f"{span(max(now - at, timedelta()))} ago"


def days_left(until: datetime, now: datetime) -> str:
    """Whole days that remain, or since when none do."""
    days = (until - now) // timedelta(days=1)
    if until <= now:
        return "Expired"
    return "Less than a day" if days == 0 else count(days, "day")


def common_name(name: str | None) -> str:
    """The part of an RFC 4514 name that people know it by: ``CN=``, else ``O=``, else all of it."""
    parts = re.split(r"(?<!\\)[,+]", name or "")
    for attribute in ("CN=", "O="):
        for part in parts:
            if part.startswith(attribute):
                return re.sub(r"\\(.)", r"\1", part.removeprefix(attribute))
    return name or NOTHING


def slot_name(at: datetime) -> str:
    """A slot as it stands in an address: exact to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def worst(states: Sequence[str]) -> str:
    """The most severe of some locations' states. No location: waiting."""
    return min(states, key=SEVERITY.index, default="waiting")


def named(titles: Sequence[str]) -> str:
    """A few locations: ``Frankfurt, Singapore, Tokyo and 3 more``."""
    if len(titles) > 3:
        return f"{', '.join(titles[:3])} and {len(titles) - 3} more"
    return " and ".join(filter(None, [", ".join(titles[:-1]), *titles[-1:]]))


def troubled(locations: int) -> str:
    """What is said of so many locations that are in trouble themselves (docs/alerts.md)."""
    return "has trouble itself" if locations == 1 else "have trouble themselves"


def places(titles: Mapping[str, str], names: Sequence[str]) -> str:
    """The same of locations by their short names."""
    return named([titles.get(name, name) for name in names])


@lru_cache(4_096)
def order(title: str) -> str:
    """What to sort names by: without regard to case and accents, and 9 before 10."""
    plain = title
    if not title.isascii():
        apart = unicodedata.normalize("NFKD", title)
        plain = "".join(c for c in apart if not unicodedata.combining(c))
    return re.sub("[0-9]+", lambda digits: digits[0].rjust(20, "0"), plain.casefold())
