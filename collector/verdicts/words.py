"""How outages are put into words, in events and messages. Pure.

Since when is no part of them: whoever reads it does so by other clocks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from collector.verdicts.slowness import Slowness
from vantage.phase import LASTING

NAMED = 3  # places in a sentence; more are counted
CAUSES = 2  # likewise


def places(titles: Sequence[str]) -> str:
    """Name a few places and count the others: ``Frankfurt, Ashburn, Sydney and 2 more``."""
    named, more = list(titles[:NAMED]), len(titles) - NAMED
    if more > 0:
        return f"{', '.join(named)} and {more} more"
    return " and ".join(filter(None, [", ".join(named[:-1]), *named[-1:]]))


def outage(causes: Mapping[str, str], assigned: int) -> str:
    """Say what fails, and from which of how many locations. ``causes``: by their titles."""
    titles: dict[str, list[str]] = defaultdict(list)
    for title, cause in causes.items():
        titles[cause].append(title)
    if len(titles) == 1:
        [(cause, where)] = titles.items()
        return f"{cause} {whereabouts(where, assigned)}."
    ranked = sorted(titles.items(), key=lambda each: -len(each[1]))
    said = [f"{cause} from {places(where)}" for cause, where in ranked[:CAUSES]]
    others = sum(len(where) for _, where in ranked[CAUSES:])
    if others:
        said.append(f"otherwise from {others} more")
    return f"{', '.join(said)} ({len(causes)} of {assigned} locations)."


def slower(slowness: Mapping[str, Slowness], assigned: int) -> str:
    """Say what takes longer than usual at the locations that are the keys, and how much."""
    worst = max(slowness.values(), key=lambda each: each.times)
    up_to = "up to " if len(slowness) > 1 else ""
    return (
        f"{LASTING[worst.phase]} takes {up_to}{worst.times:.1f} times its usual time "
        f"{whereabouts(list(slowness), assigned)}."
    )


def whereabouts(titles: Sequence[str], assigned: int) -> str:
    """``from 2 of 5 locations (Frankfurt and Sydney)``."""
    where = "its one location" if assigned == 1 else f"{len(titles)} of {assigned} locations"
    return f"from {where} ({places(titles)})"
