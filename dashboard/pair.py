"""One slot over both IP families, side by side: the run that the result is about, and the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dashboard import words
from dashboard.rows.result import Requested, ResultRow
from vantage.failure import cause
from vantage.phase import PHASES


@dataclass(frozen=True, slots=True)
class Run:
    """One family's run. ``lengths``: microseconds by phase of its last exchange; None: no such."""

    title: str
    is_decisive: bool
    state: str
    sentence: str
    detail: str | None
    address: str | None
    http_status: int | None
    redirect_us: int
    lengths: Mapping[str, int | None]
    total_us: int


def side_by_side(found: ResultRow, pairs: list[Requested]) -> list[Run]:
    """Return both runs, IPv4 first; empty: only one family was asked for."""
    if not pairs:
        return []
    other = pairs[-1]
    titles = _titles(found.target_ip, other.target_ip)
    decisive = _run(titles[0], found, found.outcome, found.redirect_us, found.total_us)
    start_us = other.start_us or 0
    lesser = _run(titles[1], other, other.outcome or "down", start_us, start_us + other.total_us)
    return sorted((decisive, lesser), key=lambda run: run.title)


def _titles(decisive: str | None, other: str | None) -> tuple[str, str]:
    """Name the families by the address that either run got."""
    if decisive is None and other is None:
        return "Decisive run", "Other run"
    is_six = ":" in decisive if decisive is not None else ":" not in (other or "")
    return ("IPv6", "IPv4") if is_six else ("IPv4", "IPv6")


def _run(
    title: str, timed: ResultRow | Requested, outcome: str, redirect_us: int, total_us: int
) -> Run:
    return Run(
        title=title,
        is_decisive=isinstance(timed, ResultRow),
        state=words.OUTCOME_STATES[outcome],
        sentence=cause(timed.failure, timed.http_status) if timed.failure else "Up",
        detail=timed.detail,
        address=timed.target_ip,
        http_status=timed.http_status,
        redirect_us=redirect_us,
        lengths={words.PHASES[name]: getattr(timed, f"{name}_us") for name in PHASES},
        total_us=total_us,
    )
