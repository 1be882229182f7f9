"""What queued mail says: a subject and a few paragraphs, as text and as HTML. Pure.

Mail is about the account, the licence, the product and reports that somebody asked for; nothing
else is ever written here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from dashboard import unsubscribing, words
from dashboard.rendering import ENVIRONMENT
from dashboard.reports import Wanted
from dashboard.rows.mail import Due
from dashboard.rows.report import Report
from dashboard.settings import Settings


@dataclass(frozen=True, slots=True)
class Letter:
    """Links are where they lead, and by which words. ``reason``: why somebody gets it, with what
    they can do about it; ``headers``: what only this kind of mail has; ``rows``: names and what is
    to be said of each; ``pdf``: a file's name and content."""

    subject: str
    paragraphs: tuple[str, ...]
    reason: str
    link: tuple[str, str] | None = None
    reason_link: tuple[str, str] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    rows: tuple[tuple[str, str], ...] = ()
    pdf: tuple[str, bytes] | None = None

    @property
    def text(self) -> str:
        """It, for who reads plain text."""
        return ENVIRONMENT.get_template("mail/letter.txt").render(letter=self)

    @property
    def html(self) -> str:
        """It, with a heading and a link."""
        return ENVIRONMENT.get_template("mail/letter.html").render(letter=self)


def zone_of(due: Due) -> tzinfo:
    """By whose clocks times are written."""
    return ZoneInfo(due.time_zone or "UTC")


def licence(due: Due, settings: Settings) -> Letter:
    """How an account's licence stands, to an owner."""
    facts, zone = due.content, zone_of(due)
    account, plan = facts["account"], facts["plan"]
    ends = _day(facts["ends_at"], zone)
    over = _day(facts["grace_ends_at"], zone)
    pausing = (
        "Then your monitors pause. Nothing that was measured is lost: pages, reports and exports "
        "stay, and everything goes on by itself as soon as the licence is renewed."
    )
    going_on = f"Until {over} everything goes on as it is. {pausing}"
    subject, said = {
        "trial_ends": (
            f"The trial of {account} ends on {ends}",
            (f"Your trial of the plan {plan} ends on {ends}.", going_on),
        ),
        "licence_ends": (
            f"The licence of {account} ends on {ends}",
            (f"Your licence for the plan {plan} ends on {ends}.", going_on),
        ),
        "grace_began": (
            f"The licence of {account} has ended",
            (f"Your licence for the plan {plan} ended on {ends}.", going_on),
        ),
        "expired": (
            f"The monitors of {account} are paused",
            (
                f"Your licence for the plan {plan} ended on {ends}, and was not renewed by {over}: "
                "your monitors are paused, and nothing is measured.",
                "What was measured stays, with pages, reports and exports. Everything goes on by "
                "itself as soon as the licence is renewed.",
            ),
        ),
        "renewed": (
            f"The licence of {account} is renewed",
            (
                f"Your licence for the plan {plan} goes on"
                + (f" until {ends}." if ends else " without an end."),
                "What was paused is measured again. Thank you.",
            ),
        ),
    }[due.kind]
    return Letter(
        subject,
        said,
        f"You get this as an owner of the account {account}: it is about its licence.",
        link=(f"{settings.public_url}/settings/plan", "Plan and licence"),
    )


def product(due: Due, settings: Settings) -> Letter:
    """What the operators write about the product, to who wants that."""
    where = unsubscribing.link(settings, due.user_id)
    return Letter(
        due.content["subject"],
        tuple(due.content["paragraphs"]),
        "You get this because you chose to get mail about the product.",
        reason_link=(where, "Unsubscribe"),
        # RFC 8058: programs offer it as a button, which asks nothing more.
        headers={
            "List-Unsubscribe": f"<{where}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    )


def _day(text: str | None, zone: tzinfo) -> str:
    if text is None:
        return ""
    return f"{datetime.fromisoformat(text).astimezone(zone):%-d %B %Y}"


def report(
    due: Due, settings: Settings, account: str, wanted: Wanted, made: Report, pdf: bytes
) -> Letter:
    """A report that comes by itself, to a member whom its schedule names."""
    met = [entry["is_met"] for entry in made.content if entry["is_met"] is not None]
    objective = f"the objective of {wanted.objective} %"
    if not met:
        summary = f"Nothing was judged in {wanted.title}."
    elif all(met):
        summary = f"{words.count(len(met), 'monitor')} met {objective}."
    else:
        summary = f"{met.count(False)} of {words.count(len(met), 'monitor')} missed {objective}."
    revision = f", revision {made.revision}" if due.content["revision"] else ""
    name, public_url = due.content["name"], settings.public_url
    return Letter(
        f"{name}, {wanted.title}{revision}: {account}",
        (summary,),
        f"You get this because a member of {account} arranged it.",
        link=(f"{public_url}/reports{wanted.query}", "Show the report"),
        reason_link=(f"{public_url}/reports/mail", "Reports by mail"),
        rows=tuple((entry["monitor"], _figures(entry)) for entry in made.content),
        pdf=(f"report-{wanted.name}.pdf", pdf),
    )


def _figures(entry: dict[str, Any]) -> str:
    if entry["is_met"] is None:
        return "nothing judged"
    said = [
        f"{entry['availability']:g} %",
        "met" if entry["is_met"] else "missed",
        f"{entry['passed']:,} of {entry['judged']:,} checks",
    ]
    if entry["p95_us"] is not None:
        said.append(f"p95 {words.duration(round(entry['p95_us']))}")
    if entry["incidents"]:
        lasted = words.lasted(entry["incident_s"])
        said.append(f"{words.count(entry['incidents'], 'incident')}, {lasted}")
    return "; ".join(said)


WRITERS: dict[str, Callable[[Due, Settings], Letter]] = {
    **dict.fromkeys(("trial_ends", "licence_ends", "grace_began", "expired", "renewed"), licence),
    "product": product,
}


def written(due: Due, settings: Settings) -> Letter:
    """The letter that a queued mail is."""
    return WRITERS[due.kind](due, settings)
