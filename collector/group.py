"""What one transaction writes: many agents' batches, each result a row or in quarantine."""

from __future__ import annotations

import time
import zlib
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from psycopg.rows import DictRow

from collector import certificates, wire
from collector.batch import Answer, Batch, Fenced, Gap, Lost, Revoked, Source, Stored
from vantage.v1.result_pb2 import Result

NOTIFY_MAX = 200  # monitor ids in one notification; more are announced as "many"


@dataclass(slots=True)
class Group:
    """What one transaction writes, gathered batch by batch.

    ``moved``: new high waters, and the CRC-32 of the result there; None: that one is lost.
    """

    high_waters: dict[tuple[UUID, bytes], DictRow]
    moved: dict[tuple[UUID, bytes], tuple[int, int | None]] = field(default_factory=dict)
    rows: list[wire.Rows] = field(default_factory=list)
    by_agent: dict[tuple[bytes, str], list[wire.Rows]] = field(default_factory=dict)
    gaps: list[wire.Row] = field(default_factory=list)
    sightings: list[certificates.Sighting] = field(default_factory=list)
    refused: list[dict[str, object]] = field(default_factory=list)
    skips: list[dict[str, object]] = field(default_factory=list)
    answers: list[tuple[Batch, Answer]] = field(default_factory=list)

    def high_water(self, source: Source) -> int:
        stored: int = self.high_waters[source.key]["high_water"]
        high_water, _ = self.moved.get(source.key, (stored, None))
        return high_water

    def admit(self, batch: Batch) -> tuple[int, Sequence[bytes]]:
        """Decide a batch's answer; return what is new in it, and the number of its first."""
        source = batch.source
        nothing: tuple[int, Sequence[bytes]] = (0, ())
        state = self.high_waters.get(source.key)
        if state is None or state["connection"] != source.connection:
            self.answers.append((batch, Fenced()))
            return nothing
        if state["is_revoked"]:
            self.answers.append((batch, Revoked()))
            return nothing
        high_water = self.high_water(source)
        if batch.first_seq > high_water + 1:
            self.answers.append((batch, Gap(high_water)))
            return nothing
        if batch.lost is not None:
            self.skip(batch, batch.lost, high_water)
            return nothing
        new = batch.payloads[high_water + 1 - batch.first_seq :]
        if new:
            self.moved[source.key] = high_water + len(new), zlib.crc32(new[-1])
        self.answers.append((batch, Stored(high_water + len(new))))
        return high_water + 1, new

    def skip(self, batch: Batch, lost: Lost, high_water: int) -> None:
        """Move past results that are lost, as far as they were not stored before."""
        if lost.to_seq > high_water:
            self.moved[batch.source.key] = lost.to_seq, None
            self.skips.append(
                {
                    "agent_id": batch.source.agent_id,
                    "incarnation": batch.source.incarnation,
                    "from_seq": high_water + 1,
                    "to_seq": lost.to_seq,
                    "reason": lost.reason,
                }
            )
        self.answers.append((batch, Stored(max(high_water, lost.to_seq))))

    def decode(
        self, source: Source, first_seq: int, payloads: Sequence[bytes]
    ) -> list[tuple[int, bytes, Result]]:
        """Decode payloads, each with its number; what cannot be goes to quarantine."""
        messages = []
        for seq, payload in enumerate(payloads, first_seq):
            try:
                messages.append((seq, payload, wire.decode(payload)))
            except wire.RefusedResult as refusal:
                self.quarantine(source, seq, str(refusal), payload)
        return messages

    def add(
        self,
        source: Source,
        messages: Sequence[tuple[int, bytes, Result]],
        probed: Container[int],
    ) -> None:
        """Add each message as rows, or to the quarantine; ``probed``: whose results are welcome."""
        agent_id, location = source.agent_id.bytes, source.location
        now_us = time.time_ns() // 1000
        added: list[wire.Rows] = []
        for seq, payload, message in messages:
            try:
                if message.monitor_id not in probed:
                    raise wire.RefusedResult(
                        f"monitor {message.monitor_id} is not probed from {location}"
                    )
                if message.HasField("missed"):
                    gap = wire.gap_row(message, agent_id=agent_id, location=location, now_us=now_us)
                    self.gaps.append(gap)
                    continue
                added.append(
                    wire.rows(message, agent_id=agent_id, location=location, now_us=now_us)
                )
                if sighting := certificates.sighting(message, location):
                    self.sightings.append(sighting)
            except wire.RefusedResult as refusal:
                self.quarantine(source, seq, str(refusal), payload)
        if added:
            self.rows += added
            self.by_agent.setdefault((agent_id, location), []).extend(added)

    def quarantine(self, source: Source, seq: int, reason: str, payload: bytes) -> None:
        self.refused.append(
            {
                "agent_id": source.agent_id,
                "incarnation": source.incarnation,
                "seq": seq,
                "reason": reason,
                "payload": payload,
                "monitor_id": wire.monitor_of(payload),
            }
        )

    def moves(self) -> dict[str, list[object]]:
        """Tell which high waters move, as the statement ``move_high_waters`` takes them."""
        states = [self.high_waters[key] for key in self.moved]
        return {
            "agent_ids": [state["agent_id"] for state in states],
            "incarnations": [state["incarnation"] for state in states],
            "connections": [state["connection"] for state in states],
            "olds": [state["high_water"] for state in states],
            "news": [new for new, _ in self.moved.values()],
            "crc32s": [crc32 for _, crc32 in self.moved.values()],
        }

    def ingested(self) -> list[wire.Row]:
        """Tell what there is to add to the rollups.

        One row an agent: the rows of a transaction share ``received_at``, by which they are found.
        """
        return [
            wire.ingested_row(rows, agent_id=agent_id, location=location)
            for (agent_id, location), rows in self.by_agent.items()
        ]

    def arrived(self) -> list[wire.Row]:
        """Tell what is to be judged, one row an agent."""
        rows = (
            wire.arrived_row(rows, agent_id=agent_id, location=location)
            for (agent_id, location), rows in self.by_agent.items()
        )
        return [row for row in rows if row is not None]

    def announcement(self) -> str:
        """Name the monitors with new results, as NOTIFY's payload; empty: too many to name."""
        monitors = {rows.monitor_id for rows in self.rows}
        return ",".join(map(str, monitors)) if len(monitors) <= NOTIFY_MAX else ""
