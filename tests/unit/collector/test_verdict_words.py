from __future__ import annotations

import pytest

from collector.verdicts import words

REFUSED, TIMEOUT, STATUS = "Connection refused", "TLS handshake timed out", "HTTP status 503"


@pytest.mark.parametrize(
    ("causes", "sentence"),
    [
        ({"Tokyo": REFUSED}, "Connection refused from 1 of 5 locations (Tokyo)."),
        (
            {"Frankfurt": REFUSED, "Oslo": REFUSED, "Sydney": REFUSED, "Tokyo": REFUSED},
            "Connection refused from 4 of 5 locations (Frankfurt, Oslo, Sydney and 1 more).",
        ),
        (
            {"Tokyo": TIMEOUT, "Frankfurt": REFUSED, "Oslo": REFUSED},
            "Connection refused from Frankfurt and Oslo, TLS handshake timed out from Tokyo "
            "(3 of 5 locations).",
        ),
        (
            {"Tokyo": TIMEOUT, "Frankfurt": REFUSED, "Oslo": REFUSED, "Sydney": STATUS},
            "Connection refused from Frankfurt and Oslo, TLS handshake timed out from Tokyo, "
            "otherwise from 1 more (4 of 5 locations).",
        ),
    ],
)
def test_an_outage_says_what_fails_from_where(causes: dict[str, str], sentence: str) -> None:
    assert words.outage(causes, 5) == sentence


def test_a_monitor_with_one_location_has_no_share() -> None:
    assert words.outage({"Tokyo": STATUS}, 1) == "HTTP status 503 from its one location (Tokyo)."
