"""What one collector at a time does for the whole database: rollups, baselines, licences.

The leader is whoever holds an advisory lock; when it dies, its connection does, and another takes
over. What it had not committed is still in ``vantage.ingested``.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import psycopg
import structlog

from collector import db, maintenance, metrics
from collector.errors import TransientError

log = structlog.get_logger()

# Between two looks at what has arrived: the rollups are about this far behind. The more there is to
# do, the longer: many results of a monitor at a time cost little more than one.
LOOK_EVERY_S = 1.0
LOOK_EVERY_MAX_S = 6.0
SHARE = 0.1  # of the time, to be spent at it
BREATH_MAX_S = 0.25  # between two steps of it
SUMMING_UP_S = 0.5  # at a time; what arrives meanwhile waits
CANDIDATE_EVERY_S = 5.0
DROP_EVERY_S = 3600.0
LICENCES_EVERY_S = 60.0
HOUR = timedelta(hours=1)
# What only the leader can tell.
OF_LEADER = (
    metrics.ROLLUP_LAG_SECONDS,
    metrics.NOTIFICATIONS_WAITING,
    metrics.NOTIFICATIONS_OLDEST_SECONDS,
    metrics.NOTIFIER_AWAY_SECONDS,
)


class Upkeep:
    """``run`` leads, or waits to; as many collectors may run it as there are."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def run(self) -> None:
        """Keep the database for ever, over as many connections as that takes."""
        while True:
            try:
                async with await db.connect(self.url) as connection:
                    await self.keep(connection)
            except (TransientError, psycopg.Error) as error:
                log.warning("upkeep_interrupted", error=db.first_line(error))
                for gauge in OF_LEADER:
                    gauge.set(0)
                await asyncio.sleep(CANDIDATE_EVERY_S)

    async def keep(self, connection: db.AsyncConnection) -> None:
        """Do the work while the connection lasts, once no other collector does."""
        # Lost in a crash of the server, it would be done again from what is still there.
        await connection.execute("SET synchronous_commit = off")
        is_leader = False
        dropped_at = enforced_at = float("-inf")
        usual_in: set[datetime] = set()
        while True:
            if not is_leader:
                is_leader = await self.lead(connection)
                if is_leader:
                    log.info("upkeep_begun")
            began = time.monotonic()
            if is_leader:
                began += await self.roll_up(connection)
                for step in ("sum_up_medians", "sum_up_hour"):
                    await self.sum_up(connection, step)
                await maintenance.plan(connection)
                await self.count_notifications(connection)
                usual_in = await self.keep_baselines(connection, usual_in)
                if time.monotonic() - enforced_at > LICENCES_EVERY_S:
                    await self.enforce_licences(connection)
                    enforced_at = time.monotonic()
                if time.monotonic() - dropped_at > DROP_EVERY_S:
                    await self.drop_expired(connection)
                    dropped_at = time.monotonic()
            took_s = time.monotonic() - began
            await asyncio.sleep(pause_s(took_s) if is_leader else CANDIDATE_EVERY_S)

    async def lead(self, connection: db.AsyncConnection) -> bool:
        """Become the leader, unless another collector is."""
        cursor = await connection.execute(db.queries("upkeep")["lead"])
        row = await cursor.fetchone()
        return row is not None and bool(row["is_leader"])

    async def roll_up(self, connection: db.AsyncConnection) -> float:
        """Add everything that has arrived to the rollups; return how long it rested in between."""
        statements = db.queries("upkeep")
        rested_s = 0.0
        while True:
            cursor = await connection.execute(statements["rollup_lag"])
            if row := await cursor.fetchone():
                metrics.ROLLUP_LAG_SECONDS.set(row["lag_s"])
            began = time.monotonic()
            cursor = await connection.execute(statements["roll_up"])
            row = await cursor.fetchone()
            if row is None or not row["batches"]:
                return rested_s
            metrics.RESULTS_ROLLED_UP.inc(row["results"])
            log.debug("rolled_up", batches=row["batches"], results=row["results"])
            # What agents send meanwhile wants the same processors.
            breath_s = min(time.monotonic() - began, BREATH_MAX_S)
            await asyncio.sleep(breath_s)
            rested_s += breath_s

    async def sum_up(self, connection: db.AsyncConnection, step: str) -> None:
        """Sum up what is over, step by step, as far as that does not keep what arrives waiting."""
        began = time.monotonic()
        while time.monotonic() - began < SUMMING_UP_S:
            cursor = await connection.execute(db.queries("upkeep")[step])
            row = await cursor.fetchone()
            if row is None or row["made"] is None:
                return
            log.debug("summed_up", step=step, made=row["made"])

    async def count_notifications(self, connection: db.AsyncConnection) -> None:
        """See what waits to be told, also where no notifier runs that could say so."""
        cursor = await connection.execute(db.queries("upkeep")["notifications_due"])
        if row := await cursor.fetchone():
            metrics.NOTIFICATIONS_WAITING.set(row["waiting"])
            metrics.NOTIFICATIONS_OLDEST_SECONDS.set(row["oldest_s"])
            metrics.NOTIFIER_AWAY_SECONDS.set(row["away_s"])

    async def keep_baselines(
        self, connection: db.AsyncConnection, kept: set[datetime]
    ) -> set[datetime]:
        """Write down what is usual in this hour, the one before and the next; return these."""
        hour_at = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        needed = {hour_at, hour_at - HOUR, hour_at + HOUR}
        for each in sorted(needed - kept, key=lambda at: abs(at - hour_at)):
            cursor = await connection.execute(
                db.queries("upkeep")["keep_baselines"], {"hour_at": each}
            )
            if row := await cursor.fetchone():
                log.info("baselines_kept", hour_at=each.isoformat(), baselines=row["kept"])
        return needed

    async def enforce_licences(self, connection: db.AsyncConnection) -> None:
        """Let the monitors of accounts rest whose licences have expired."""
        cursor = await connection.execute(db.queries("upkeep")["enforce_licences"])
        for row in await cursor.fetchall():
            log.info("licence_expired", account=row["account"], monitors=row["monitors"])

    async def drop_expired(self, connection: db.AsyncConnection) -> None:
        """Drop what is older than it is to be kept, and what came too late for its monitor."""
        cursor = await connection.execute(db.queries("upkeep")["drop_expired"])
        for row in await cursor.fetchall():
            log.info("chunk_dropped", relation=row["relation"], chunk=row["chunk"])
        cursor = await connection.execute(db.queries("upkeep")["forget_late"])
        if cursor.rowcount:
            log.info("late_results_forgotten", results=cursor.rowcount)
        while True:
            cursor = await connection.execute(db.queries("upkeep")["remove_expired"])
            removed = await cursor.fetchone()
            if removed is None:
                return
            log.info("results_removed", **removed)


def pause_s(took_s: float) -> float:
    """How long to wait after a look that took this long."""
    return min(max(took_s * (1 / SHARE - 1), LOOK_EVERY_S), LOOK_EVERY_MAX_S)
