"""A collector of the test's own, for one location, with one monitor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.collector import Collector, configure, running_collector
from tests.support.database import Database


@pytest.fixture
def options() -> Sequence[str]:
    """What ``serve`` is told beside the necessary; a module that wants more says it anew."""
    return ()


@pytest.fixture
def collector(database: Database, tmp_path: Path, options: Sequence[str]) -> Iterator[Collector]:
    configure(database.url())
    url = database.url(role="vantage_collector")
    with running_collector(url, tmp_path, *options) as collector:
        yield collector
