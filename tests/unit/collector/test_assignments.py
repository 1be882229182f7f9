"""When an agent whose connection has ended is taken to be gone."""

from __future__ import annotations

import time
from pathlib import Path
from uuid import UUID

from collector.assignments import LOST_S, SILENT_S, Assignments
from collector.keyring import Keyring

AGENT = UUID(int=1)


def test_an_agent_that_is_back_at_once_was_never_lost(tmp_path: Path) -> None:
    assignments = Assignments("postgresql://", Keyring(tmp_path / "secret.key"))
    with assignments.subscribe(AGENT, "fra"):
        pass
    assert assignments.lost() == {}  # as while it renews its certificate
    assignments.lost_at[AGENT] = time.monotonic() - LOST_S
    [(lost_id, for_s)] = assignments.lost().items()
    assert lost_id == AGENT
    assert LOST_S <= for_s < SILENT_S
    with assignments.subscribe(AGENT, "fra"):
        assert assignments.lost() == {}


def test_what_was_lost_long_ago_is_not_remembered(tmp_path: Path) -> None:
    assignments = Assignments("postgresql://", Keyring(tmp_path / "secret.key"))
    assignments.lost_at[AGENT] = time.monotonic() - SILENT_S
    assert assignments.lost() == {}
    assert not assignments.lost_at
