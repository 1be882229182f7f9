"""What the processes of one test run share, as the workers of pytest-xdist."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest


def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that all processes of this run see, and no other run does."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@contextmanager
def shared(
    folder: Path, name: str, make: Callable[[], AbstractContextManager[str]]
) -> Iterator[str]:
    """Share what ``make`` makes: the first process makes it, and ends it when the others have left.

    Yields what ``make`` said, to all of them. A process that comes after the end begins anew.
    """
    said = folder / f"{name}.said"
    door = folder / f"{name}.door"
    with ExitStack() as stack, (folder / f"{name}.users").open("w") as users:
        with _locked(door):
            if is_maker := not said.exists():
                said.write_text(stack.enter_context(make()))
            what = said.read_text()
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield what
        finally:
            if is_maker:
                with _locked(door):
                    said.unlink()
                fcntl.flock(users, fcntl.LOCK_EX)  # waits for the others


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
