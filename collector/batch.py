"""What an agent sends to be stored, and what it may be answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from collector.content import OBJECT_BYTES, Content


@dataclass(frozen=True, slots=True)
class Source:
    """Where a batch comes from: one connection's delivery of one incarnation."""

    agent_id: UUID
    location: str
    incarnation: bytes
    connection: int

    @property
    def key(self) -> tuple[UUID, bytes]:
        return self.agent_id, self.incarnation


@dataclass(frozen=True, slots=True)
class Stored:
    """Everything up to ``high_water`` is committed."""

    high_water: int


@dataclass(frozen=True, slots=True)
class Gap:
    """The batch began after ``high_water`` + 1; nothing of it was stored."""

    high_water: int


@dataclass(frozen=True, slots=True)
class Fenced:
    """A newer connection delivers this incarnation; nothing was stored."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """The agent was shut out; nothing was stored."""


Answer = Stored | Gap | Fenced | Revoked


@dataclass(frozen=True, slots=True)
class Lost:
    """Results up to ``to_seq`` are lost, and why."""

    to_seq: int
    reason: str


@dataclass(slots=True, eq=False)
class Batch:
    """Results ``first_seq``, ``first_seq`` + 1, ... of a source, and who waits for the answer.

    ``lost``: from ``first_seq`` on there are no results, and never will be. ``may_be_stored``: any
    of them may be, under another incarnation; ``stored``: the numbers of those that are.
    ``probed``: the monitors whose results are welcome. ``content``: the results as rows; None: they
    are yet to be read. ``received_at``, ``begun_at``, ``replied_at``: when it was read, its
    transaction began, its answer was known.
    """

    source: Source
    first_seq: int
    payloads: Sequence[bytes]
    answer: asyncio.Future[Answer]
    lost: Lost | None = None
    may_be_stored: bool = False
    stored: frozenset[int] = frozenset()
    probed: frozenset[int] = frozenset()
    content: Content | None = None
    received_at: float = field(default_factory=time.perf_counter)
    begun_at: float = 0.0
    replied_at: float = 0.0

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes: what came, and the rows that are made of it."""
        if self.content is None:
            return expected_bytes(self.payloads)
        return held_bytes(self.payloads) + self.content.size_bytes

    def reply(self, answer: Answer) -> None:
        """Wake whoever waits; its stream may be gone."""
        self.replied_at = time.perf_counter()
        if not self.answer.done():
            self.answer.set_result(answer)

    def numbered(self, first_seq: int) -> Iterator[tuple[int, bytes]]:
        """Yield the results there are from a number on, each with its own, but for those stored."""
        new = self.payloads[first_seq - self.first_seq :]
        return (each for each in enumerate(new, first_seq) if each[0] not in self.stored)

    def read(self, first_seq: int) -> Content:
        """Make rows of what there is from a number on."""
        return Content.read(
            self.numbered(first_seq),
            agent_id=self.source.agent_id.bytes,
            location=self.source.location,
            probed=self.probed,
        )

    def new(self, first_seq: int) -> Content:
        """Return what there is from a number on, as it was read if that was all of it."""
        if self.content is not None and first_seq == self.first_seq and not self.stored:
            return self.content
        return self.read(first_seq)

    def halves(self) -> tuple[Batch, Batch]:
        middle = len(self.payloads) // 2
        new_future = self.answer.get_loop().create_future
        lower, upper = self.payloads[:middle], self.payloads[middle:]
        return (
            replace(self, payloads=lower, answer=new_future(), content=None),
            replace(
                self,
                first_seq=self.first_seq + middle,
                payloads=upper,
                answer=new_future(),
                content=None,
            ),
        )


def held_bytes(payloads: Iterable[bytes]) -> int:
    """How much memory encoded results take."""
    sizes = [len(payload) for payload in payloads]
    return sum(sizes) + OBJECT_BYTES * len(sizes)


def expected_bytes(payloads: Iterable[bytes]) -> int:
    """About how much memory they and the rows that are to be made of them take."""
    return 2 * held_bytes(payloads)
