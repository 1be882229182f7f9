"""What was made durable against what is stored: each once, or declared lost, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, LiteralString

import psycopg

from tests.support.faults.injection import UNKNOWN_MONITOR
from tests.support.faults.system import Agent, System
from tests.support.faults.witness import Frame
from vantage.v1.result_pb2 import Result

# What tells one result from any other. A slot is run once, so this much is more than enough.
# Missed slots are told apart by what the gap holds.
Key = tuple[int, int, int, int, int | str]

STORED = """
    SELECT monitor_id,
        (extract(epoch FROM slot_at) * 1000000)::bigint,
        (extract(epoch FROM started_at) * 1000000)::bigint,
        total_us,
        delay_us
    FROM vantage.results
    WHERE agent_id = %s
"""
GAPS = """
    SELECT monitor_id,
        (extract(epoch FROM from_slot_at) * 1000000)::bigint,
        (extract(epoch FROM to_slot_at) * 1000000)::bigint,
        slots,
        reason
    FROM vantage.gaps
    WHERE agent_id = %s
"""
SKIPS = "SELECT incarnation, from_seq, to_seq FROM vantage.skips WHERE agent_id = %s"
QUARANTINED = "SELECT incarnation, seq, payload FROM vantage.quarantine WHERE agent_id = %s"
HIGH_WATERS = "SELECT incarnation, high_water FROM vantage.incarnations WHERE agent_id = %s"


@dataclass
class Verdict:
    """Counts of results; all but the first seven must be 0.

    ``unseen``: those of the durable that were dropped and declared lost before anyone looked.
    ``loaded``: those of the durable that were made up as a load. ``gaps``: those that tell of
    missed slots. ``declared``: durable, dropped by the agent and declared lost, so that they must
    not be stored. ``stuck``: not stored, and still in the
    agent's spool. ``misjudged``: sound ones in quarantine, or bad ones stored. ``overcounted``:
    incarnations whose high water is not their last result.
    """

    durable: int = 0
    unseen: int = 0
    loaded: int = 0
    stored: int = 0
    quarantined: int = 0
    gaps: int = 0
    declared: int = 0
    lost: int = 0
    doubled: int = 0
    invented: int = 0
    stuck: int = 0
    misjudged: int = 0
    overcounted: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        names = [each.name for each in fields(self) if each.name != "examples"]
        return {name: getattr(self, name) for name in names}

    @property
    def faults(self) -> dict[str, int]:
        """Those that must be 0 and are not."""
        names = ("lost", "doubled", "invented", "stuck", "misjudged", "overcounted")
        return {name: count for name in names if (count := self.counts[name])}


def judge(system: System) -> Verdict:
    """Compare when nothing runs any more."""
    verdict = Verdict()
    with psycopg.connect(system.url) as connection:
        for agent in system.agents:
            _judge_agent(verdict, agent, frozenset(system.loaded), connection)
    return verdict


def undelivered(system: System, wanted: dict[str, dict[str, int]]) -> int:
    """Count results that were durable (agent -> incarnation's place -> last one) and are not
    acknowledged yet.
    """
    missing = 0
    with psycopg.connect(system.url) as connection:
        for agent_id, last_seqs in wanted.items():
            stored = _high_waters(connection, agent_id)
            for place, seq in last_seqs.items():
                incarnation = bytes.fromhex(place.partition("-")[2])
                missing += max(0, seq - stored.get(incarnation, 0))
    return missing


def _judge_agent(
    verdict: Verdict, agent: Agent, loaded: Container[int], connection: psycopg.Connection
) -> None:
    """Look at every frame once: a long campaign has millions."""
    stored = Counter(_rows(connection, STORED, agent.agent_id))
    stored += Counter(_rows(connection, GAPS, agent.agent_id))
    skips = _Skips(connection, agent.agent_id)
    durable: Counter[Key] = Counter()
    bad: dict[tuple[bytes, int], bytes] = {}
    last_seqs: dict[bytes, int] = {}
    for frame in agent.witness.frames():
        verdict.durable += 1
        last_seqs[frame.incarnation] = frame.seq
        key = None if frame.payload in agent.poison else _key(frame.payload)
        is_gap = key is not None and isinstance(key[-1], str)
        if key is None or (is_gap and key[0] == UNKNOWN_MONITOR):  # tells of poison dropped
            if frame not in skips:
                bad[frame.incarnation, frame.seq] = frame.payload
            continue
        verdict.gaps += is_gap
        verdict.loaded += key[0] in loaded and not is_gap
        if frame in skips:
            verdict.declared += 1
            continue
        durable[key] += 1
        if durable[key] > stored[key]:
            kind = "stuck" if agent.witness.is_kept(frame) else "lost"
            _count(verdict, kind, f"{kind}: {frame.place}/{frame.seq} {key}")
    for unseen in agent.witness.unseen():
        verdict.durable += unseen.last - unseen.first + 1
        for seq in range(unseen.first, unseen.last + 1):
            if skips.has(unseen.incarnation, seq):
                verdict.unseen += 1
            else:
                _count(verdict, "lost", f"lost: {unseen.place}/{seq}, never seen nor declared")
    verdict.stored += stored.total()
    for key, count in stored.items():
        if count > durable[key]:
            kind = "doubled" if durable[key] else "invented"
            for _ in range(count - durable[key]):
                _count(verdict, kind, f"{kind}: {agent.agent_id} {key}")
    _judge_quarantine(verdict, agent, bad, connection)
    for incarnation, high_water in _high_waters(connection, agent.agent_id).items():
        if high_water > last_seqs.get(incarnation, 0):
            _count(verdict, "overcounted", f"overcounted: {incarnation.hex()} at {high_water}")


def _judge_quarantine(
    verdict: Verdict,
    agent: Agent,
    bad: dict[tuple[bytes, int], bytes],
    connection: psycopg.Connection,
) -> None:
    refused: dict[tuple[bytes, int], bytes] = {}
    for incarnation, seq, payload in connection.execute(QUARANTINED, [agent.agent_id]):
        refused[incarnation, seq] = payload
    verdict.quarantined += len(refused)
    for place in bad.items() ^ refused.items():
        _count(verdict, "misjudged", f"misjudged: {place}")


class _Skips:
    """What an agent declared lost."""

    def __init__(self, connection: psycopg.Connection, agent_id: str) -> None:
        self.ranges: dict[bytes, list[tuple[int, int]]] = {}
        for incarnation, first, last in connection.execute(SKIPS, [agent_id]):
            self.ranges.setdefault(bytes(incarnation), []).append((first, last))

    def __contains__(self, frame: Frame) -> bool:
        return self.has(frame.incarnation, frame.seq)

    def has(self, incarnation: bytes, seq: int) -> bool:
        return any(first <= seq <= last for first, last in self.ranges.get(incarnation, ()))


def _rows(connection: psycopg.Connection, statement: LiteralString, agent_id: str) -> Iterator[Key]:
    with connection.cursor(name="stored") as cursor:
        cursor.itersize = 10_000
        yield from cursor.execute(statement, [agent_id])


def _high_waters(connection: psycopg.Connection, agent_id: str) -> dict[bytes, int]:
    rows: list[Any] = connection.execute(HIGH_WATERS, [agent_id]).fetchall()
    return {bytes(incarnation): high_water for incarnation, high_water in rows}


def _key(payload: bytes) -> Key:
    message = Result.FromString(payload)
    if message.HasField("missed"):
        slots = message.missed
        gap = slots.from_slot_at_us, slots.to_slot_at_us, slots.slots, slots.reason
        return message.monitor_id, *gap
    return (
        message.monitor_id,
        message.slot_at_us,
        message.started_at_us,
        message.total_us,
        message.delay_us,
    )


def _count(verdict: Verdict, kind: str, example: str) -> None:
    setattr(verdict, kind, getattr(verdict, kind) + 1)
    if len(verdict.examples) < 20:
        verdict.examples.append(example)
