"""How a monitor stands over its locations: what they agree on, and in words what differs. Pure.

The judge's verdict says what they agree on (docs/alerts.md). One location that fails alone makes no
monitor down: it is named, and with it, where it has trouble itself, that it has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from dashboard import words

# What a location says that is heard of.
HEARD = ("up", "slow", "down")


class Spot(Protocol):
    """A monitor at one of its locations. ``failure``: its newest result's; None: it is well.
    ``has_trouble``: the location itself has."""

    @property
    def title(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def failure(self) -> str | None: ...
    @property
    def has_trouble(self) -> bool: ...


def counted(spots: Sequence[Spot]) -> Counter[str]:
    """At how many locations it stands how."""
    return Counter(spot.state for spot in spots)


def state(numbers: Mapping[str, int], verdict: str | None) -> str:
    """How the monitor stands, as one of `words.STATES`. ``numbers``: of locations in each state.

    ``verdict``: up, degraded, down, or unknown: too few can tell; None: nobody has judged it yet.
    While nothing is heard of any location, an old verdict is worth nothing.
    """
    heard = sum(numbers.get(each, 0) for each in HEARD)
    if not heard:
        return next((each for each in ("paused", "missing") if numbers.get(each)), "waiting")
    if verdict is None:
        return "up" if heard == numbers.get("up") else "missing"
    return words.OUTCOME_STATES.get(verdict, "missing")


def sentence(state: str, spots: Sequence[Spot], *, slower: int = 0) -> str:
    """The same in words, with their denominator and what differs from it.

    ``slower``: from so many locations it is slower than usual, and so much as the rule says.
    """
    if state == "paused":
        return "Paused"
    if state == "waiting":
        return "Waiting for the first result…"
    numbers = counted(spots)
    if state == "missing" and any(numbers[each] for each in HEARD):
        agreed = "Too few locations can tell"
    elif state == "slow" and not numbers["slow"] and slower:
        agreed = "Slower than usual" + _share(slower, len(spots))
    else:
        said = word(state, [spot.failure for spot in spots if spot.state == state])
        agreed = said + _share(numbers[state], len(spots))
    if state == "down":
        return agreed
    return "; ".join([agreed, *_differing(state, spots)])


def word(state: str, failures: Iterable[str | None]) -> str:
    """The word for what locations agree on: slow only where all of them are.

    ``failures``: the newest results' of those that say so; none of them: those before did.
    """
    said = {words.state(state, failure) for failure in failures}
    return "Degraded" if len(said) > 1 else said.pop() if said else words.STATES[state]


def _share(number: int, total: int) -> str:
    """From how many; nothing where the newest results say so from none, but those before did."""
    if not number:
        return ""
    if total == 1:
        return " from its one location"
    if number == total:
        return " from both locations" if total == 2 else f" from all {total} locations"
    return f" from {number} of {total} locations"


def _differing(state: str, spots: Sequence[Spot]) -> list[str]:
    """What some locations say instead, the worst first."""
    said = [failing([spot for spot in spots if spot.state == "down"])]
    others = [spot for spot in spots if spot.state != state]
    for word, what in (
        ("Slow", "slow from"),
        ("Degraded", "degraded from"),
        ("No data", "no data from"),
        ("Waiting", "waiting for"),
    ):
        titles = [spot.title for spot in others if words.state(spot.state, spot.failure) == word]
        said.append(f"{what} {words.named(titles)}" if titles else "")
    return [each for each in said if each]


def failing(spots: Sequence[Spot]) -> str:
    """From where it fails, of these, and which of them have trouble themselves."""
    alone = [spot.title for spot in spots if not spot.has_trouble]
    troubled = [spot.title for spot in spots if spot.has_trouble]
    if not troubled:
        return f"failing from {words.named(alone)}" if alone else ""
    first = f"from {words.named(alone)} and " if alone else "only "
    return f"failing {first}from {words.named(troubled)}, which {words.troubled(len(troubled))}"
