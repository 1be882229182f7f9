"""An account's own words for what it is told: templates with {fields}, and nothing else. Pure.

vantage.check_template refuses what names no field before it is stored; docs/notifications.md lists
the fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from collector.telling.item import Item, again_since, lasted, when
from vantage import failure

PART = re.compile(r"\{\{|\}\}|\{([a-z_]+)\}")
STATES = {"up": "Up", "none": "Not watched"}


@dataclass(frozen=True, slots=True)
class OwnWords:
    """``subject``, ``text``: templates. None: Vantage's words."""

    subject: str | None
    text: str | None

    def dress(self, item: Item, kind: str, facts: Mapping[str, Any], zone: ZoneInfo) -> Item:
        """Say the same in these words; a test says that it is one, and shows a sample."""
        if kind == "test":
            values = facts.get("sample")
            if values is None:
                return item
            headline = f"Test: {worded(self.subject or '{headline}', values)}"
        else:
            values = fields(item, kind, facts, zone)
            headline = worded(self.subject, values) if self.subject else item.headline
        if self.text is None:
            return replace(item, headline=headline)
        lines = tuple(worded(self.text, values).splitlines())
        return replace(item, headline=headline, lines=lines, link="")


def worded(template: str, values: Mapping[str, str]) -> str:
    """Fill a template in; ``{{`` and ``}}`` are braces. A field that there is not is empty."""

    def fill(part: re.Match[str]) -> str:
        return part[0][0] if part[1] is None else values.get(part[1], "")

    return PART.sub(fill, template)


def fields(item: Item, kind: str, facts: Mapping[str, Any], zone: ZoneInfo) -> dict[str, str]:
    """What may be named, of one thing that is told."""
    began_at = facts.get("began_at")
    ended_at = facts.get("recovered_at") or facts.get("closed_at") or facts.get("ended_at")
    is_over = bool(began_at and ended_at)
    return {
        "headline": item.headline,
        "event": kind,
        "state": state(item, kind, facts),
        "monitor": facts.get("monitor") or facts.get("title") or "",
        "url": facts.get("url") or "",
        "summary": summary(item, facts, zone),
        "cause": facts.get("cause") or "",
        "began": when(began_at, zone) if began_at else "",
        "ended": when(ended_at, zone) if ended_at else "",
        "lasted": lasted(_instant(ended_at) - _instant(began_at)) if is_over else "",
        "acknowledged_by": facts.get("acknowledged_by") or "",
        "incident": str(facts.get("incident_id") or ""),
        "link": item.link,
    }


def state(item: Item, kind: str, facts: Mapping[str, Any]) -> str:
    """How it stands, in a word or two."""
    if kind == "certificate":
        return "Certificate expires"
    return STATES.get(item.state) or failure.severity(item.state, facts.get("cause"))


def summary(item: Item, facts: Mapping[str, Any], zone: ZoneInfo) -> str:
    """What, from where, and since when; of what is no incident, its first line."""
    if not facts.get("summary"):
        return item.lines[0]
    again_at = again_since(facts)
    since = (
        f"Again since {when(again_at, zone)}"
        if again_at
        else (f"Since {when(facts['began_at'], zone)}")
    )
    return f"{facts['summary']} {since}."


def _instant(text: Any) -> datetime:
    return datetime.fromisoformat(text)
