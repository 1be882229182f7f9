"""Results that were durable once and will never be delivered: a range of numbers, and why.

Those dropped for want of room are marked by an empty file `<first seq>-<last seq>.<reason>` beside
the segments, so that no start of the process forgets to declare them.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path


class Loss(StrEnum):
    """Why results are not delivered; docs/protocol.md explains them."""

    SPOOL_FULL = "spool_full"
    SPOOL_EXPIRED = "spool_expired"
    SPOOL_DAMAGED = "spool_damaged"
    DATABASE_RESTORED = "database_restored"


_MARK = re.compile(rf"(\d{{20}})-(\d{{20}})\.({Loss.SPOOL_FULL}|{Loss.SPOOL_EXPIRED})")


@dataclass(frozen=True, slots=True)
class Hole:
    """``mark``: the file that remembers it; None: it is found again without one."""

    from_seq: int
    to_seq: int
    reason: Loss
    mark: Path | None = None

    @classmethod
    def marked(cls, directory: Path, from_seq: int, to_seq: int, reason: Loss) -> Hole:
        """Make a hole that the next start of the process will know of.

        Raises: OSError where there is no room even for a name.
        """
        mark = directory / f"{from_seq:020d}-{to_seq:020d}.{reason}"
        os.close(os.open(mark, os.O_WRONLY | os.O_CREAT, 0o600))
        return cls(from_seq, to_seq, reason, mark)

    @classmethod
    def all_of(cls, directory: Path) -> list[Hole]:
        """Return those marked in a directory, in order."""
        return [
            cls(int(match[1]), int(match[2]), Loss(match[3]), path)
            for path in sorted(directory.iterdir())
            if (match := _MARK.fullmatch(path.name))
        ]

    def extended(self, to_seq: int) -> Hole:
        """Return the hole as it reaches further; its mark is renamed, which needs no room."""
        if self.mark is None:
            return replace(self, to_seq=to_seq)
        mark = self.mark.with_name(f"{self.from_seq:020d}-{to_seq:020d}.{self.reason}")
        self.mark.rename(mark)
        return replace(self, to_seq=to_seq, mark=mark)

    def forget(self) -> None:
        """Remove the mark: the hole is declared and stored."""
        if self.mark is not None:
            self.mark.unlink(missing_ok=True)
