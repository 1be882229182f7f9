"""The database's bench asks what the report centre asks, by the names of its statements."""

from __future__ import annotations

from bench.storing import PAGES
from dashboard.queries import statements


def test_every_page_asks_what_there_is() -> None:
    asked = {name for parts in PAGES.values() for name, _, _ in parts}
    assert len(asked) > 8
    assert asked <= statements().keys()
