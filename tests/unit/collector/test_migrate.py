"""Which servers will do."""

from __future__ import annotations

import pytest

from collector.errors import CollectorError
from collector.migrate import must_suit


@pytest.mark.parametrize("timescaledb", ["2.14.0", "2.19.3", "2.21.0-dev", "3.0.0"])
def test_a_new_enough_server_will_do(timescaledb: str) -> None:
    must_suit(15, timescaledb)


@pytest.mark.parametrize(
    ("postgres", "timescaledb", "sentence"),
    [
        (14, "2.19.3", "is PostgreSQL 14: 15 or newer"),
        (17, None, "no timescaledb extension: install TimescaleDB 2.14"),
        (17, "2.9.3", "timescaledb is 2.9.3: 2.14 or newer"),
        (17, "1.7.5", "timescaledb is 1.7.5: 2.14 or newer"),
    ],
)
def test_what_is_found_and_what_is_needed_are_both_said(
    postgres: int, timescaledb: str | None, sentence: str
) -> None:
    with pytest.raises(CollectorError, match=sentence):
        must_suit(postgres, timescaledb)
