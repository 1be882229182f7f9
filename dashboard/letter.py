"""What queued mail says: a subject and a few paragraphs, as text and as HTML. Pure.

Mail is about the account, the licence, the product and reports that somebody asked for; nothing
else is ever written here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

from dashboard.rendering import ENVIRONMENT
from dashboard.rows.mail import Due


@dataclass(frozen=True, slots=True)
class Letter:
    """``link``: where it leads, and by which words; ``reason``: why somebody gets it."""

    subject: str
    paragraphs: tuple[str, ...]
    link: tuple[str, str]
    reason: str

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


def licence(due: Due, public_url: str) -> Letter:
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
        (f"{public_url}/settings/plan", "Plan and licence"),
        f"You get this as an owner of the account {account}: it is about its licence.",
    )


def _day(text: str | None, zone: tzinfo) -> str:
    if text is None:
        return ""
    return f"{datetime.fromisoformat(text).astimezone(zone):%-d %B %Y}"


def written(due: Due, public_url: str) -> Letter:
    """The letter that a queued mail is."""
    return WRITERS[due.kind](due, public_url)


WRITERS: dict[str, Callable[[Due, str], Letter]] = dict.fromkeys(
    ("trial_ends", "licence_ends", "grace_began", "expired", "renewed"), licence
)
