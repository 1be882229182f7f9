"""Rows as people read them."""

from __future__ import annotations

import pytest

from collector.operator.table import cell, heading


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("interval_s", 300, ("INTERVAL", "300 s")),
        ("timeout_us", 10_000_000, ("TIMEOUT", "10,000 ms")),
        ("slow_us", 800_500, ("SLOW", "800.5 ms")),
        ("slow_us", None, ("SLOW", "-")),
        ("is_online", True, ("ONLINE", "yes")),
        ("keep_days", 35, ("KEEP DAYS", "35")),
        ("locations", ["fra", "sin"], ("LOCATIONS", "fra,sin")),
    ],
)
def test_a_column_is_told_with_its_unit(name: str, value: object, told: tuple[str, str]) -> None:
    assert (heading(name), cell(value, name)) == told
