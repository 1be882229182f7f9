"""The campaign's witness: what it saw, and what was gone before it looked."""

from __future__ import annotations

import os
from pathlib import Path

from agent.segment import Segment
from tests.support.faults.witness import Unseen, Witness

IDENTITY = bytes(range(16))
PLACE = f"0000000001-{IDENTITY.hex()}"


def write(spool: Path, first: int, count: int) -> Path:
    place = spool / PLACE
    place.mkdir(parents=True, exist_ok=True)
    segment = Segment.create(place, IDENTITY, first)
    segment.append([b"%d" % number for number in range(first, first + count)], os.fdatasync)
    segment.close()
    return segment.path


def test_what_was_seen_is_yielded_after_the_agent_deletes_it(tmp_path: Path) -> None:
    witness = Witness(tmp_path / "spool", tmp_path / "witness")
    first, second = write(witness.spool, 1, 3), write(witness.spool, 4, 2)
    witness.look()
    first.unlink()
    second.unlink()
    assert [frame.seq for frame in witness.frames()] == [1, 2, 3, 4, 5]
    assert list(witness.unseen()) == []
    assert witness.last_seqs() == {PLACE: 5}


def test_what_was_dropped_between_two_looks_is_unseen(tmp_path: Path) -> None:
    witness = Witness(tmp_path / "spool", tmp_path / "witness")
    write(witness.spool, 1, 3).unlink()
    write(witness.spool, 4, 2)
    witness.look()
    write(witness.spool, 6, 4).unlink()
    write(witness.spool, 10, 1)
    witness.look()
    assert [frame.seq for frame in witness.frames()] == [4, 5, 10]
    assert list(witness.unseen()) == [Unseen(PLACE, 1, 3), Unseen(PLACE, 6, 9)]
