"""What the processes of one test run share, as the workers of pytest-xdist."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
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
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if said.exists():
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield said.read_text()
            return
        with make() as what:
            said.write_text(what)
            fcntl.flock(lock, fcntl.LOCK_SH)
            try:
                yield what
            finally:
                fcntl.flock(lock, fcntl.LOCK_EX)  # waits for the others
                said.unlink()
