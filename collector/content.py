"""What a batch holds, as the database takes it: read as it comes, while others are stored."""

from __future__ import annotations

import time
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Self

import structlog

from collector import certificates, wire
from vantage.v1 import result_pb2

log = structlog.get_logger()

# What a bytes object takes besides its bytes, its place in a list included.
OBJECT_BYTES = 41


@dataclass(slots=True)
class Results:
    """Results as rows, and what each is about, one entry a result.

    ``slots_at_us``: Unix. ``outcomes``: None: it has no vote.
    """

    rows: list[bytes] = field(default_factory=list)
    monitor_ids: list[int] = field(default_factory=list)
    slots_at_us: list[int] = field(default_factory=list)
    outcomes: list[str | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, row: bytes, message: result_pb2.Result) -> None:
        self.rows.append(row)
        self.monitor_ids.append(message.monitor_id)
        self.slots_at_us.append(message.slot_at_us)
        self.outcomes.append(None if message.suspect else wire.OUTCOMES[message.outcome])

    def extend(self, others: Results) -> None:
        self.rows += others.rows
        self.monitor_ids += others.monitor_ids
        self.slots_at_us += others.slots_at_us
        self.outcomes += others.outcomes

    def votes(self) -> tuple[str, str, str] | None:
        """Tell what the results say about their monitors, for verdicts.

        Monitors, slots, outcomes, each with ``;`` between, which needs no escaping within an array.
        None: no result has a vote.
        """
        votes = zip(self.monitor_ids, self.slots_at_us, self.outcomes, strict=True)
        columns = list(zip(*(vote for vote in votes if vote[2] is not None), strict=True))
        if not columns:
            return None
        monitor_ids, slots_at_us, outcomes = (";".join(map(str, column)) for column in columns)
        return monitor_ids, slots_at_us, outcomes


@dataclass(slots=True)
class Content:
    """Results as rows, each of their exchanges besides the last hop, and what is no row.

    ``strange``: monitors that are not probed from the location. ``refused``: number, reason,
    payload and monitor of what goes to quarantine.
    """

    results: Results = field(default_factory=Results)
    exchanges: list[bytes] = field(default_factory=list)
    gaps: list[bytes] = field(default_factory=list)
    sightings: list[certificates.Sighting] = field(default_factory=list)
    refused: list[tuple[int, str, bytes, int | None]] = field(default_factory=list)
    strange: set[int] = field(default_factory=set)

    @property
    def size_bytes(self) -> int:
        """How much memory the rows take."""
        rows = self.results.rows, self.exchanges, self.gaps
        return sum(sum(map(len, each)) + OBJECT_BYTES * len(each) for each in rows)

    @classmethod
    def read(
        cls,
        payloads: Iterable[tuple[int, bytes]],
        *,
        agent_id: bytes,
        location: str,
        probed: Container[int],
    ) -> Self:
        """Read encoded results, each with its number.

        ``probed``: the monitors whose results are welcome.
        """
        content = cls()
        origin = wire.Origin(agent_id, location)
        now_us = time.time_ns() // 1000
        for seq, payload in payloads:
            try:
                message = wire.decode(payload)
                if message.monitor_id not in probed:
                    content.strange.add(message.monitor_id)
                    raise wire.RefusedResult(
                        f"monitor {message.monitor_id} is not probed from {location}"
                    )
                if message.HasField("missed"):
                    content.gaps.append(wire.gap_row(message, origin, now_us))
                    continue
                row, exchanges = wire.rows(message, origin, now_us)
                sighting = certificates.sighting(message, location)
            except wire.RefusedResult as refusal:
                content.refuse(seq, str(refusal), payload)
            except (
                Exception
            ) as error:  # a fault of ours: the others are not to wait until it is mended
                log.exception("result_unreadable", seq=seq)
                content.refuse(seq, f"it could not be read: {type(error).__name__}", payload)
            else:
                content.results.add(row, message)
                if exchanges:
                    content.exchanges += exchanges
                if sighting is not None:
                    content.sightings.append(sighting)
        return content

    def refuse(self, seq: int, reason: str, payload: bytes) -> None:
        self.refused.append((seq, reason, payload, wire.monitor_of(payload)))
