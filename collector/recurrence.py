"""When something comes again, by the clocks of a time zone. Pure.

Source: RFC 5545, 3.3.10 (rules) and 3.3.5 (a time that a clock skips is read with the offset from
before; of one that it shows twice the first counts).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.rrule import rrulestr

from collector.errors import CollectorError

STAMP = "%Y%m%dT%H%M%SZ"
FREQUENCY = re.compile("FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)(;|$)")


def zone(name: str) -> ZoneInfo:
    """Return a time zone. Raises: CollectorError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CollectorError(f"{name!r} is no time zone; it has the form Europe/Berlin.") from error


@dataclass(frozen=True, slots=True)
class Recurrence:
    """``first_at``: naive, by the zone's clocks. ``rule``: RFC 5545, without DTSTART."""

    first_at: datetime
    time_zone: str
    rule: str

    def between(self, from_at: datetime, to_at: datetime) -> Iterator[datetime]:
        """Yield in UTC when it begins, from from_at up to, not including, to_at.

        Raises: CollectorError.
        """
        began_at = self.first_at.replace(tzinfo=zone(self.time_zone))
        # Bounded from above, so that a rule that never comes true ends too.
        parts = dict(part.partition("=")[::2] for part in self.rule.split(";"))
        until = min(parts.pop("UNTIL", "9999"), to_at.astimezone(UTC).strftime(STAMP))
        try:
            count = int(parts.pop("COUNT", "0")) or None
            text = ";".join(f"{name}={value}" for name, value in parts.items())
            rule = rrulestr(f"{text};UNTIL={until}", dtstart=began_at)
            for at in islice(rule, count):
                if from_at <= at.astimezone(UTC) < to_at:
                    yield at.astimezone(UTC)
        except ValueError as error:
            raise CollectorError(f"The rule {self.rule!r} cannot be followed: {error}.") from error


def check_rule(rule: str) -> str:
    """Return a rule in capitals. Raises: CollectorError for one that cannot be followed."""
    rule = rule.strip().upper().removeprefix("RRULE:")
    if not FREQUENCY.match(rule):
        raise CollectorError(
            f"{rule!r} is no rule: it begins with FREQ=DAILY, WEEKLY, MONTHLY or YEARLY, such as "
            "FREQ=WEEKLY;BYDAY=SU."
        )
    begin = datetime(2000, 1, 1)
    instant = begin.replace(tzinfo=UTC)
    tuple(Recurrence(begin, "UTC", rule).between(instant, instant))
    return rule
