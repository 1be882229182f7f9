"""An incident's life: verdicts in, steps out. Pure; every instant is given, in microseconds.

One that fails again soon after it was closed is reopened, and then takes longer to close: flapping
is one incident. What nobody can tell changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from collector.verdicts.verdict import Rule, Verdict

Severity = Literal["down", "degraded"]
Kind = Literal[
    "opened", "updated", "worsened", "recovered", "relapsed", "closed", "reopened", "silenced",
    "unsilenced",
]  # fmt: skip

REOPENS_WITHIN_US = 15 * 60 * 1_000_000
CLOSES_AFTER_MAX_US = 30 * 60 * 1_000_000


@dataclass(frozen=True, slots=True)
class Incident:
    """Where an incident stands; the instants are those of vantage.incidents.

    ``locations``: every one that failed in it.
    """

    severity: Severity
    began_at_us: int
    opened_at_us: int
    locations: frozenset[str]
    recovered_at_us: int | None = None
    closed_at_us: int | None = None
    reopened: int = 0

    @property
    def is_open(self) -> bool:
        return self.closed_at_us is None

    def closes_after_us(self, rule: Rule) -> int:
        """For how long it must be well: doubled with each reopening, up to half an hour."""
        most = max(rule.closes_after_us, CLOSES_AFTER_MAX_US)
        return min(rule.closes_after_us << self.reopened, most)


def severity(rule: Rule, verdict: Verdict) -> Severity | None:
    """How bad a verdict is to the rule. None: it opens nothing."""
    if verdict.state == "down":
        return "down"
    if verdict.state == "degraded" and (rule.opens_when_degraded or verdict.slower):
        return "degraded"
    return None


def advance(
    incident: Incident | None,
    rule: Rule,
    verdict: Verdict,
    now_us: int,
    *,
    may_open: bool = True,
) -> tuple[Incident | None, tuple[Kind, ...]]:
    """Take a verdict into account: the incident as it is now, and what happened to it.

    ``may_open`` False, as in maintenance: none opens, and none that is open gets worse.
    """
    bad = severity(rule, verdict)
    below = verdict.slow + verdict.slower if bad == "degraded" else ()
    failing = frozenset(verdict.failing + below)
    if incident is not None and incident.is_open:
        return _advance_open(incident, rule, verdict, now_us, bad, failing, may_open=may_open)
    if bad is None or not may_open:
        return incident, ()
    if incident is not None and now_us - (incident.closed_at_us or 0) <= REOPENS_WITHIN_US:
        again = replace(
            incident,
            severity="down" if "down" in (bad, incident.severity) else "degraded",
            recovered_at_us=None,
            closed_at_us=None,
            reopened=incident.reopened + 1,
            locations=incident.locations | failing,
        )
        return again, ("reopened",)
    began_at_us = (verdict.failing_since_us if bad == "down" else None) or now_us
    if bad == "degraded" and verdict.slower:
        began_at_us = min(began_at_us, now_us - (rule.slower_for_us or 0))
    return Incident(bad, began_at_us, now_us, failing), ("opened",)


def _advance_open(
    incident: Incident,
    rule: Rule,
    verdict: Verdict,
    now_us: int,
    bad: Severity | None,
    failing: frozenset[str],
    *,
    may_open: bool,
) -> tuple[Incident, tuple[Kind, ...]]:
    if bad is not None:
        if not may_open:
            return incident, ()
        kinds: list[Kind] = []
        if incident.recovered_at_us is not None:
            kinds.append("relapsed")
        if bad == "down" and incident.severity == "degraded":
            kinds.append("worsened")
        elif failing - incident.locations:
            kinds.append("updated")
        changed = replace(
            incident,
            severity="down" if "down" in (bad, incident.severity) else "degraded",
            recovered_at_us=None,
            locations=incident.locations | failing,
        )
        return changed, tuple(kinds)
    if verdict.state == "unknown":
        return incident, ()
    if incident.recovered_at_us is None:
        incident = replace(incident, recovered_at_us=now_us)
        if incident.closes_after_us(rule):
            return incident, ("recovered",)
        return replace(incident, closed_at_us=now_us), ("recovered", "closed")
    if now_us - incident.recovered_at_us >= incident.closes_after_us(rule):
        return replace(incident, closed_at_us=now_us), ("closed",)
    return incident, ()
