from __future__ import annotations

import pytest

from dashboard.errors import Unacceptable
from dashboard.passwords import check

KNOWN = ("ann.other@example.com", "Ann Other")


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "x" * 1025,
        "aaaaaaaaaaaa",
        "password1",
        "Iloveyou1",
        "1q2w3e4r",
        "ann.other@example.com",
        "ann.other",
        "Ann Other 2026!",
        "Vantage2026",
    ],
)
def test_what_is_guessed_first_is_refused(password: str) -> None:
    with pytest.raises(Unacceptable):
        check(password, *KNOWN)


@pytest.mark.parametrize(
    "password",
    ["a fine long password", "vantage point of a gull", "ünï cödé 密码密码", "x" * 500 + "yz1"],
)
def test_anything_else_may_be_one(password: str) -> None:
    check(password, *KNOWN)
