"""What one process of a run makes is there for the others, until the last of them has left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.sharing import shared

Make = Callable[[], AbstractContextManager[str]]


@pytest.fixture
def events() -> list[str]:
    return []


@pytest.fixture
def make(events: list[str]) -> Make:
    @contextmanager
    def make() -> Iterator[str]:
        events.append("made")
        yield "what was made"
        events.append("ended")

    return make


def test_it_is_made_once_and_ended_after_the_last(
    tmp_path: Path, make: Make, events: list[str]
) -> None:
    # A lock is an open file's, not a process's: threads stand for processes.
    with ExitStack() as others:
        maker = ExitStack()
        assert maker.enter_context(shared(tmp_path, "it", make)) == "what was made"
        for _ in range(2):
            assert others.enter_context(shared(tmp_path, "it", make)) == "what was made"
        leaving = threading.Thread(target=maker.close)
        leaving.start()
        leaving.join(0.2)
        assert leaving.is_alive()
        assert events == ["made"]
    leaving.join(20)
    assert events == ["made", "ended"]


def test_who_comes_after_the_end_begins_anew(tmp_path: Path, make: Make, events: list[str]) -> None:
    for _ in range(2):
        with shared(tmp_path, "it", make) as what:
            assert what == "what was made"
    assert events == ["made", "ended", "made", "ended"]


def test_what_cannot_be_made_is_tried_by_the_next(tmp_path: Path, make: Make) -> None:
    @contextmanager
    def fails() -> Iterator[str]:
        raise OSError("no room")
        yield

    with pytest.raises(OSError, match="no room"), shared(tmp_path, "it", fails):
        pass
    with shared(tmp_path, "it", make) as what:
        assert what == "what was made"
