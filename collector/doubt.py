"""Which results of a batch are stored already, though under another incarnation's numbers.

A result is known again by what no other shares: its monitor, its slot and the microsecond at which
it began; a gap by its slots; what is in quarantine by its bytes.
"""

from __future__ import annotations

import time

from collector import db, wire
from collector.batch import Batch


async def leave_out(connection: db.AsyncConnection, batch: Batch) -> None:
    """Have a batch know which of its numbers hold what is stored, so that they are passed over.

    Within the transaction that stores it: its incarnation is locked.
    """
    columns = zip(*map(key, batch.payloads), strict=True)
    names = ("are_missed", "monitor_ids", "firsts_us", "seconds_us")
    numbers = range(batch.first_seq, batch.first_seq + len(batch.payloads))
    cursor = await connection.execute(
        db.queries("delivery")["stored_before"],
        {
            "agent_id": batch.source.agent_id,
            "location": batch.source.location,
            "seqs": [*numbers],
            "payloads": [*batch.payloads],
            **{name: [*column] for name, column in zip(names, columns, strict=True)},
        },
    )
    batch.stored = frozenset([row["seq"] async for row in cursor])


def key(payload: bytes) -> tuple[bool, int | None, int | None, int | None]:
    """Return what a result is known by: whether it tells of missed slots, its monitor, its slot and
    its begin, or the first and the last slot. None: no other table than the quarantine has it.
    """
    now_us = time.time_ns() // 1000
    try:
        message = wire.decode(payload)
        is_missed, missed = message.HasField("missed"), message.missed
        first_us = missed.from_slot_at_us if is_missed else message.slot_at_us
        second_us = missed.to_slot_at_us if is_missed else message.started_at_us
        for instant_us in (first_us, second_us):
            wire.instant(instant_us, now_us, "instant")
    except wire.RefusedResult:
        return False, None, None, None
    return is_missed, message.monitor_id, first_us, second_us
