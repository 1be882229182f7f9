"""What a batch holds, as the database takes it: read as it comes, while others are stored."""

from __future__ import annotations

import time
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Self

import structlog

from collector import certificates, wire

log = structlog.get_logger()


@dataclass(slots=True)
class Content:
    """Results as rows, each of their exchanges besides the last hop, and what is no row.

    ``strange``: monitors that are not probed from the location. ``refused``: number, reason,
    payload and monitor of what goes to quarantine.
    """

    results: list[wire.Row] = field(default_factory=list)
    exchanges: list[wire.Row] = field(default_factory=list)
    gaps: list[wire.Row] = field(default_factory=list)
    sightings: list[certificates.Sighting] = field(default_factory=list)
    refused: list[tuple[int, str, bytes, int | None]] = field(default_factory=list)
    strange: set[int] = field(default_factory=set)

    @classmethod
    def read(
        cls,
        payloads: Sequence[bytes],
        *,
        first_seq: int,
        agent_id: bytes,
        location: str,
        probed: Container[int],
    ) -> Self:
        """Read encoded results; ``probed``: the monitors whose results are welcome."""
        content = cls()
        now_us = time.time_ns() // 1000
        for seq, payload in enumerate(payloads, first_seq):
            try:
                message = wire.decode(payload)
                monitor_id = message.monitor_id
                if monitor_id not in probed:
                    content.strange.add(monitor_id)
                    raise wire.RefusedResult(f"monitor {monitor_id} is not probed from {location}")
                if message.HasField("missed"):
                    content.gaps.append(
                        wire.gap_row(message, agent_id=agent_id, location=location, now_us=now_us)
                    )
                    continue
                rows = wire.rows(message, agent_id=agent_id, location=location, now_us=now_us)
                sighting = certificates.sighting(message, location)
            except wire.RefusedResult as refusal:
                content.refuse(seq, str(refusal), payload)
            except (
                Exception
            ) as error:  # a fault of ours: the others are not to wait until it is mended
                log.exception("result_unreadable", seq=seq)
                content.refuse(seq, f"it could not be read: {type(error).__name__}", payload)
            else:
                content.results.append(rows.result)
                content.exchanges += rows.exchanges
                if sighting is not None:
                    content.sightings.append(sighting)
        return content

    def refuse(self, seq: int, reason: str, payload: bytes) -> None:
        self.refused.append((seq, reason, payload, wire.monitor_of(payload)))
