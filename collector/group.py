"""What one transaction writes: many agents' batches, each result a row or in quarantine."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from uuid import UUID

from psycopg.rows import DictRow

from collector import certificates
from collector.batch import Answer, Batch, Fenced, Gap, Lost, Revoked, Source, Stored
from collector.content import Content, Results

NOTIFY_MAX = 200  # monitor ids in one notification; more are announced as "many"


@dataclass(slots=True)
class Group:
    """What one transaction writes, gathered batch by batch.

    ``moved``: new high waters, and the CRC-32 of the result there; None: that one is lost.
    """

    high_waters: dict[tuple[UUID, bytes], DictRow]
    moved: dict[tuple[UUID, bytes], tuple[int, int | None]] = field(default_factory=dict)
    exchanges: list[bytes] = field(default_factory=list)
    by_agent: dict[tuple[UUID, str], Results] = field(default_factory=dict)
    gaps: list[bytes] = field(default_factory=list)
    sightings: list[certificates.Sighting] = field(default_factory=list)
    refused: list[dict[str, object]] = field(default_factory=list)
    skips: list[dict[str, object]] = field(default_factory=list)
    answers: list[tuple[Batch, Answer]] = field(default_factory=list)

    def high_water(self, source: Source) -> int:
        stored: int = self.high_waters[source.key]["high_water"]
        high_water, _ = self.moved.get(source.key, (stored, None))
        return high_water

    def admit(self, batch: Batch) -> int | None:
        """Decide a batch's answer; return the number of its first new result. None: none."""
        source = batch.source
        state = self.high_waters.get(source.key)
        if state is None or state["connection"] != source.connection:
            self.answers.append((batch, Fenced()))
            return None
        if state["is_revoked"]:
            self.answers.append((batch, Revoked()))
            return None
        high_water = self.high_water(source)
        if batch.first_seq > high_water + 1:
            self.answers.append((batch, Gap(high_water)))
            return None
        if batch.lost is not None:
            self.skip(batch, batch.lost, high_water)
            return None
        last_seq = batch.first_seq + len(batch.payloads) - 1
        if last_seq <= high_water:
            self.answers.append((batch, Stored(high_water)))
            return None
        self.moved[source.key] = last_seq, zlib.crc32(batch.payloads[-1])
        self.answers.append((batch, Stored(last_seq)))
        return high_water + 1

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

    def add(self, batch: Batch, refuse: str | None = None) -> None:
        """Add what is new of a batch; with ``refuse``, to the quarantine for that reason."""
        first_seq = self.admit(batch)
        if first_seq is None:
            return
        if refuse is not None:
            content = Content()
            for seq, payload in batch.numbered(first_seq):
                content.refuse(seq, refuse, payload)
        else:
            content = batch.new(first_seq)
        self.take(batch.source, content)

    def take(self, source: Source, content: Content) -> None:
        if content.results:
            of_agent = self.by_agent.setdefault((source.agent_id, source.location), Results())
            of_agent.extend(content.results)
        self.exchanges += content.exchanges
        self.gaps += content.gaps
        self.sightings += content.sightings
        for seq, reason, payload, monitor_id in content.refused:
            self.refused.append(
                {
                    "agent_id": source.agent_id,
                    "incarnation": source.incarnation,
                    "seq": seq,
                    "reason": reason,
                    "payload": payload,
                    "monitor_id": monitor_id,
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

    @property
    def count(self) -> int:
        """How many results there are."""
        return sum(map(len, self.by_agent.values()))

    @property
    def results(self) -> list[bytes]:
        """Every result's row."""
        return [row for each in self.by_agent.values() for row in each.rows]

    def ingested(self) -> dict[str, list[object]]:
        """Tell what there is to add to the rollups, as the statement ``ingested`` takes it.

        One row an agent: the rows of a transaction share ``received_at``, by which they are found.
        """
        every = self.by_agent.values()
        return {
            "agent_ids": [agent_id for agent_id, _ in self.by_agent],
            "locations": [location for _, location in self.by_agent],
            "from_slots_us": [min(each.slots_at_us) for each in every],
            "to_slots_us": [max(each.slots_at_us) for each in every],
            "results": [len(each) for each in every],
        }

    def arrived(self) -> dict[str, list[object]]:
        """Tell what is to be judged, one row an agent, as the statement ``arrived`` takes it."""
        found = [
            (agent_id, location, *votes)
            for (agent_id, location), results in self.by_agent.items()
            if (votes := results.votes()) is not None
        ]
        names = ("agent_ids", "locations", "monitor_ids", "slots_at_us", "outcomes")
        return {name: [row[place] for row in found] for place, name in enumerate(names)}

    def announcement(self) -> str:
        """Name the monitors with new results, as NOTIFY's payload; empty: too many to name."""
        monitors = set[int]().union(*(each.monitor_ids for each in self.by_agent.values()))
        return ",".join(map(str, monitors)) if len(monitors) <= NOTIFY_MAX else ""
