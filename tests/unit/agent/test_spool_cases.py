"""A sample of what `python -m bench.spool` runs by the ten thousand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.support.spool_cases import HARMS, check


def test_nothing_unharmed_is_lost_and_declared_losses_are_exact(tmp_path: Path) -> None:
    kinds: Counter[str] = Counter()
    for seed in range(200):
        directory = tmp_path / str(seed)
        directory.mkdir()
        try:
            kinds[check(seed, directory)] += 1
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise
    assert kinds.keys() == HARMS.keys() | {"full disk", "full spool"}
