"""What people are told: a headline and a few lines each, and one message of several. Pure.

Times are by the channel's clocks and name their zone. Cause, place and time come with the
incident's own sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import jinja2

from collector.telling.item import Item, again_since, lasted, when
from collector.telling.own_words import OwnWords
from vantage import failure

Facts = Mapping[str, Any]
VANTAGES = OwnWords(None, None)
MISSED = "It was over before anybody could be told: no notifier was running."


@dataclass(frozen=True, slots=True)
class Message:
    """One message to people."""

    subject: str
    text: str
    html: str


def items(rows: Sequence[Facts], *, time_zone: str, public_url: str, words: OwnWords) -> list[Item]:
    """Say each thing once: of an incident, and of a location in trouble, only how it stands by now.

    ``rows``: kind and content, in the order in which they were decided.
    """
    zone = ZoneInfo(time_zone)
    latest: dict[object, Facts] = {}
    for number, row in enumerate(rows):
        latest[about(row["content"]) or number] = row
    told = []
    for row in latest.values():
        kind, facts = row["kind"], row["content"]
        told.append(words.dress(item(kind, facts, zone, public_url), kind, facts, zone))
    return told


def about(facts: Facts) -> object:
    """What a thing that is told is about; None: only itself."""
    if "location" in facts:
        return facts["location"], facts["kind"], facts["began_at"]
    return facts.get("incident_id")


def item(kind: str, facts: Facts, zone: ZoneInfo, public_url: str) -> Item:
    """Say one thing."""
    if kind == "test":
        by = f" {facts['asked_by']} asked for it." if facts.get("asked_by") else ""
        line = f"This is a test: what Vantage tells arrives here.{by}"
        return Item("Test of this channel", "none", (line,), public_url)
    if kind == "certificate":
        days = facts["days"]
        within = "one day" if days == 1 else f"{days} days"
        whose = facts["subject"] or "The certificate"
        lines = (
            f"{whose} expires on {when(facts['expires_at'], zone)}.",
            f"Issued by {facts['issuer'] or 'an unnamed authority'}, seen at {facts['url']}.",
        )
        link = f"{public_url}/m/{facts['monitor_id']}#certificates" if public_url else ""
        return Item(
            f"Certificate expires within {within}: {facts['monitor']}", "degraded", lines, link
        )
    if kind in ("trouble", "trouble_over"):
        return trouble(kind, facts, zone, public_url)
    return incident(kind, facts, zone, public_url)


def incident(kind: str, facts: Facts, zone: ZoneInfo, public_url: str) -> Item:
    """Say where an incident stands."""
    monitor, severity = facts["monitor"], facts["severity"]
    word = failure.severity(severity, facts.get("cause"))
    state = word.lower()
    what = facts["summary"]
    since_at = again_since(facts)
    since = f" Failing again since {when(since_at, zone)}." if since_at else ""
    lines = [what, f"Began {when(facts['began_at'], zone)}.{since}"]
    again = " again" if facts.get("reopened") else ""
    if kind == "closed":
        headline = f"Up again: {monitor}"
        lines = [what, span(facts, zone)]
        if facts.get("is_first"):
            headline = f"Was {state}{again}: {monitor}"
            lines.append(MISSED)
        severity = "up"
        if facts.get("is_unwatched"):
            headline, severity = f"No longer watched: {monitor}", "none"
            lines.append(f"It was {state} until it was paused or removed.")
    elif kind == "acknowledged":
        headline = f"Acknowledged: {monitor} is {state}"
    elif kind == "reminder":
        headline = f"Still {state}: {monitor}"
    elif kind == "worsened":
        headline = f"Now {state}: {monitor}"
    else:
        headline = f"{word}{again}: {monitor}"
    if kind != "closed" and facts["acknowledged_by"]:
        lines.append(f"{facts['acknowledged_by']} takes care of it.")
    lines.append(facts["url"])
    link = f"{public_url}/incidents/{facts['incident_id']}" if public_url else ""
    return Item(headline, severity, tuple(lines), link)


def trouble(kind: str, facts: Facts, zone: ZoneInfo, public_url: str) -> Item:
    """Say, to operators, how a location stands."""
    is_over = kind == "trouble_over"
    what = "silent" if facts["kind"] == "silent" else "failing by itself"
    is_first = bool(facts.get("is_first"))
    said = f"was {what}" if is_first else f"is {'well again' if is_over else what}"
    headline = f"Location {facts['title']} {said}"
    lines = [facts["summary"], f"Began {when(facts['began_at'], zone)}."]
    if is_over:
        over = span({**facts, "recovered_at": facts["ended_at"]}, zone)
        lines = [over, MISSED] if is_first else [f"It was {what}.", over]
    else:
        lines.append("Its results have no vote meanwhile; customers are not told.")
    link = f"{public_url}/locations" if public_url else ""
    return Item(headline, "up" if is_over else "down", tuple(lines), link)


def subject(told: Sequence[Item]) -> str:
    """Say all of it in a line."""
    if len(told) == 1:
        return told[0].headline
    counts = [
        (sum(each.state == state for each in told), word)
        for state, word in (
            ("down", "down"),
            ("degraded", "to look at"),
            ("up", "well again"),
            ("none", "no longer watched"),
        )
    ]
    return ", ".join(f"{number} {word}" for number, word in counts if number)


def message(
    rows: Sequence[Facts],
    *,
    time_zone: str,
    public_url: str,
    channel: str,
    words: OwnWords = VANTAGES,
) -> Message:
    """Write one message of all that is told."""
    told = items(rows, time_zone=time_zone, public_url=public_url, words=words)
    values = {"items": told, "channel": channel, "public_url": public_url}
    title = subject(told)
    environment = templates()
    return Message(
        title,
        environment.get_template("notification.txt").render(values),
        environment.get_template("notification.html").render(values, title=title),
    )


@cache
def templates() -> jinja2.Environment:
    """What mail is written with."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("collector"),
        autoescape=jinja2.select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def span(facts: Facts, zone: ZoneInfo) -> str:
    """Write from when to when something lasted, and for how long."""
    began_at = datetime.fromisoformat(facts["began_at"])
    ended_at = datetime.fromisoformat(facts["recovered_at"] or facts["closed_at"])
    return (
        f"From {when(facts['began_at'], zone)} to {when(ended_at.isoformat(), zone)}: "
        f"{lasted(ended_at - began_at)}."
    )
