from __future__ import annotations

from datetime import UTC, datetime

from collector.verdicts import words
from collector.verdicts.slowness import Slowness
from dashboard import usual

SINCE = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)


def test_how_much_slower_is_said_with_the_phase_and_the_places() -> None:
    frankfurt, ashburn = Slowness("tls", 93_000, 30_000), Slowness("tls", 90_000, 45_000)
    assert words.slower({"Frankfurt": frankfurt, "Ashburn": ashburn}, 5, SINCE) == (
        "TLS handshake takes up to 3.1 times its usual time from 2 of 5 locations "
        "(Frankfurt and Ashburn) since 2026-11-24 14:05 UTC."
    )
    assert words.slower({"Ashburn": ashburn}, 1, SINCE) == (
        "TLS handshake takes 2.0 times its usual time from its one location (Ashburn) "
        "since 2026-11-24 14:05 UTC."
    )


def test_mails_and_pages_call_phases_the_same() -> None:
    assert usual.TITLES == words.PHASES
