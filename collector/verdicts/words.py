"""How outages are put into words, in events and messages. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from collector.verdicts.slowness import Slowness
from vantage.failure import cause

NAMED = 3  # places in a sentence; more are counted

# What takes its time.
PHASES = {
    "total": "The response",
    "dns": "DNS lookup",
    "connect": "TCP connect",
    "tls": "TLS handshake",
    "send": "Sending the request",
    "wait": "Waiting for first byte",
    "receive": "Content transfer",
}


def places(titles: Sequence[str]) -> str:
    """Name a few places and count the others: ``Frankfurt, Ashburn, Sydney and 2 more``."""
    named, more = list(titles[:NAMED]), len(titles) - NAMED
    if more > 0:
        return f"{', '.join(named)} and {more} more"
    return " and ".join(filter(None, [", ".join(named[:-1]), *named[-1:]]))


def outage(
    failure: str,
    http_status: int | None,
    titles: Sequence[str],
    assigned: int,
    since_at: datetime,
    *,
    is_again: bool = False,
) -> str:
    """Say what fails, from how many of the locations, from which, and since when.

    ``is_again``: it was well for a while in the same incident.
    """
    where = whereabouts(titles, assigned, since_at, is_again=is_again)
    return f"{cause(failure, http_status)} {where}"


def slower(slowness: Mapping[str, Slowness], assigned: int, since_at: datetime) -> str:
    """Say what takes longer than usual at the locations that are the keys, and how much."""
    worst = max(slowness.values(), key=lambda each: each.times)
    up_to = "up to " if len(slowness) > 1 else ""
    return (
        f"{PHASES[worst.phase]} takes {up_to}{worst.times:.1f} times its usual time "
        f"{whereabouts(list(slowness), assigned, since_at)}"
    )


def whereabouts(
    titles: Sequence[str], assigned: int, since_at: datetime, *, is_again: bool = False
) -> str:
    """``from 2 of 5 locations (Frankfurt and Sydney) since 2026-11-26 14:00 UTC.``

    Messages take the end off again (collector/telling/wording.py).
    """
    since = f"{'again ' * is_again}since {since_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    where = "its one location" if assigned == 1 else f"{len(titles)} of {assigned} locations"
    return f"from {where} ({places(titles)}) {since}."
