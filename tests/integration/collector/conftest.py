"""A collector of the test's own, or of its module's, for one location, with one monitor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.collector import Collector, configure, running_collector
from tests.support.database import Database, Databases


@pytest.fixture
def options() -> Sequence[str]:
    """What ``serve`` is told beside the necessary; a module that wants more says it anew."""
    return ()


@pytest.fixture
def own_collector(
    database: Database, tmp_path: Path, options: Sequence[str]
) -> Iterator[Collector]:
    configure(database.url())
    url = database.url(role="vantage_collector")
    with running_collector(url, tmp_path, *options) as collector:
        yield collector


@pytest.fixture
def collector(own_collector: Collector) -> Collector:
    return own_collector


@pytest.fixture(scope="module")
def lasting_collector(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Collector]:
    """The module's, for tests that change nothing of it and look only at what their agents did."""
    directory = tmp_path_factory.mktemp("collector")
    with databases.migrated() as database:
        configure(database.url(), locations=("a", "b"))
        with running_collector(database.url(role="vantage_collector"), directory) as collector:
            yield collector
