"""What agents say of themselves every two seconds, noted for all of them with one statement."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import DictRow
from psycopg_pool import PoolTimeout

from collector import db
from collector.clock import Reading

# What comes within this is noted together; the batches behind a heartbeat wait for that.
GATHER_S = 0.02


@dataclass(frozen=True, slots=True)
class Said:
    """One heartbeat, or a Hello in its place. ``running``: the incarnation it appends to."""

    agent_id: UUID
    version: str | None
    backlog: int | None
    running: bytes | None
    clock: Reading


class Heartbeats:
    """``run`` must be running for ``note`` to end."""

    def __init__(self, pool: db.Pool) -> None:
        self.pool = pool
        self.waiting: list[tuple[Said, asyncio.Future[DictRow | None]]] = []
        self.come = asyncio.Event()

    async def note(self, said: Said) -> DictRow | None:
        """Note a heartbeat; return what became of its agent meanwhile. None: it is revoked.

        Raises: psycopg.OperationalError or PoolTimeout where the database does not answer; whatever
        else keeps this one from being noted.
        """
        seen: asyncio.Future[DictRow | None] = asyncio.get_running_loop().create_future()
        self.waiting.append((said, seen))
        self.come.set()
        return await seen

    async def run(self) -> None:
        """Note for ever."""
        while True:
            await self.come.wait()
            await asyncio.sleep(GATHER_S)
            self.come.clear()
            waiting, self.waiting = self.waiting, []
            await self.settle(waiting)

    async def settle(self, waiting: list[tuple[Said, asyncio.Future[DictRow | None]]]) -> None:
        """Note what was said, and tell whoever waits; what cannot be noted spoils no other."""
        try:
            rows = await self.store([said for said, _ in waiting])
        except Exception as error:
            is_away = isinstance(error, psycopg.OperationalError | PoolTimeout)
            if len(waiting) > 1 and not is_away:
                for each in waiting:
                    await self.settle([each])
                return
            for _, seen in waiting:
                if not seen.done():
                    seen.set_exception(error)
        else:
            for number, (_, seen) in enumerate(waiting):
                if not seen.done():
                    seen.set_result(rows.get(number))

    async def store(self, every: list[Said]) -> dict[int, DictRow]:
        """Note these; return a row for each, by its place, whose agent is not revoked."""
        parameters: dict[str, Any] = {
            "numbers": list(range(len(every))),
            "agent_ids": [said.agent_id for said in every],
            "versions": [said.version for said in every],
            "backlogs": [said.backlog for said in every],
            "running": [said.running for said in every],
            "clock_offsets_us": [said.clock.offset_us for said in every],
            "clock_uncertainties_us": [said.clock.uncertainty_us for said in every],
            "are_clocks_off": [said.clock.is_off for said in every],
            "are_first_readings": [said.clock.is_first for said in every],
        }
        async with self.pool.connection(5) as connection:
            cursor = await connection.execute(db.queries("delivery")["heartbeats"], parameters)
            return {row["number"]: row async for row in cursor}
