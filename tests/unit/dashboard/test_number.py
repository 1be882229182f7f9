"""Whole numbers that anybody may have written."""

from __future__ import annotations

import pytest

from dashboard.number import whole


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("7", 7), ("07", 7), ("50", 50)])
def test_digits_are_a_number(text: str, number: int) -> None:
    assert whole(text, 50) == number


@pytest.mark.parametrize("text", ["", "51", "050", "-1", "+1", "1.0", " 1", "²", "٣", "9" * 5000])
def test_all_else_is_none(text: str) -> None:
    assert whole(text, 50) is None
