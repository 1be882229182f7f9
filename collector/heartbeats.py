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

# What comes within this is noted together; a Hello at once, and whatever waits then.
GATHER_S = 0.25


@dataclass(frozen=True, slots=True)
class Said:
    """One heartbeat, or a Hello in its place. ``running``: the incarnation it appends to.

    ``backlog``: None: a Hello tells none.
    """

    agent_id: UUID
    version: str | None
    backlog: int | None
    running: bytes | None
    clock: Reading

    @property
    def is_hello(self) -> bool:
        return self.backlog is None


class Heartbeats:
    """``run`` must be running for ``note`` to end."""

    def __init__(self, pool: db.Pool) -> None:
        self.pool = pool
        self.waiting: list[tuple[Said, asyncio.Future[DictRow | None]]] = []
        self.due = asyncio.Event()

    async def note(self, said: Said) -> DictRow | None:
        """Note a heartbeat; return what became of its agent meanwhile. None: it is revoked.

        Raises: psycopg.OperationalError or PoolTimeout where the database does not answer; whatever
        else keeps this one from being noted.
        """
        loop = asyncio.get_running_loop()
        seen: asyncio.Future[DictRow | None] = loop.create_future()
        self.waiting.append((said, seen))
        if said.is_hello:
            self.hurry()
        elif len(self.waiting) == 1:
            loop.call_later(GATHER_S, self.due.set)
        return await seen

    def hurry(self) -> None:
        """Gather no longer."""
        self.due.set()

    async def run(self) -> None:
        """Note for ever."""
        while True:
            await self.due.wait()
            self.due.clear()
            waiting, self.waiting = self.waiting, []
            if waiting:
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
