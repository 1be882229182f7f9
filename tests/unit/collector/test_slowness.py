from __future__ import annotations

from collector.verdicts import words
from collector.verdicts.slowness import Slowness


def test_how_much_slower_is_said_with_the_phase_and_the_places() -> None:
    frankfurt, ashburn = Slowness("tls", 93_000, 30_000), Slowness("tls", 90_000, 45_000)
    assert words.slower({"Frankfurt": frankfurt, "Ashburn": ashburn}, 5) == (
        "TLS handshake takes up to 3.1 times its usual time from 2 of 5 locations "
        "(Frankfurt and Ashburn)."
    )
    assert words.slower({"Ashburn": ashburn}, 1) == (
        "TLS handshake takes 2.0 times its usual time from its one location (Ashburn)."
    )
