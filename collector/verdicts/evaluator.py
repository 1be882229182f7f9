"""What one collector at a time does about results: verdicts, incidents, locations in trouble.

The leader is whoever holds an advisory lock. When it dies its connection does, and when it freezes
the server ends it; another takes over within ten seconds and makes its mind up anew from what is
stored.
"""

from __future__ import annotations

import asyncio
import time

import psycopg
import structlog

from collector import db, metrics
from collector.clock import now_us
from collector.errors import TransientError
from collector.tasks import run_until_one_fails
from collector.verdicts.judgement import Judgement

log = structlog.get_logger()

# What arrives within this is judged together.
GATHER_S = 0.1
# Time itself changes verdicts; and a leader must be heard of by the server.
LOOK_EVERY_S = 1.0
CONFIGURE_EVERY_S = 5.0
CANDIDATE_EVERY_S = 1.0
KEEP_EVIDENCE_EVERY_S = 60.0
COMPARE_EVERY_S = 30.0


class Evaluator:
    """``run`` leads, or waits to; as many collectors may run it as there are."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.has_arrivals = asyncio.Event()
        self.is_reconfigured = asyncio.Event()

    async def run(self) -> None:
        """Judge for ever, over as many connections as that takes."""
        while True:
            try:
                async with await db.connect(self.url) as connection:
                    await self.wait_to_lead(connection)
                    judgement = Judgement(connection)
                    async with (
                        await db.connect(self.url) as listener,
                        await db.connect(self.url) as comparer,
                    ):
                        await listener.execute("LISTEN vantage_results")
                        await listener.execute("LISTEN vantage_assignments")
                        await run_until_one_fails(
                            self.listen(listener),
                            self.lead(judgement),
                            self.compare(judgement, comparer),
                        )
            except (TransientError, psycopg.Error) as error:
                log.warning("verdicts_interrupted", error=db.first_line(error))
                await asyncio.sleep(CANDIDATE_EVERY_S)

    async def wait_to_lead(self, connection: db.AsyncConnection) -> None:
        """Return when no other collector leads."""
        statements = db.queries("verdicts")
        while True:
            cursor = await connection.execute(statements["lead"])
            row = await cursor.fetchone()
            if row is not None and row["is_leader"]:
                await connection.execute(statements["give_up_when_frozen"])
                return
            await asyncio.sleep(CANDIDATE_EVERY_S)

    async def listen(self, listener: db.AsyncConnection) -> None:
        async for told in listener.notifies():
            if told.channel == "vantage_assignments":
                self.is_reconfigured.set()
            self.has_arrivals.set()
        raise TransientError("The connection that listens for results has ended.")

    async def compare(self, judgement: Judgement, connection: db.AsyncConnection) -> None:
        """Look at what is slower than usual; arrivals need not wait for that."""
        while True:
            await asyncio.sleep(COMPARE_EVERY_S)
            await judgement.compare(connection)

    async def lead(self, judgement: Judgement) -> None:
        """Judge what arrives, while the connection lasts."""
        await judgement.resume()
        log.info("verdicts_begun", monitors=len(judgement.judge.watched))
        configured_at = kept_at = time.monotonic()
        while True:
            self.has_arrivals.clear()
            began = time.perf_counter()
            if self.is_reconfigured.is_set() or (
                time.monotonic() - configured_at > CONFIGURE_EVERY_S
            ):
                self.is_reconfigured.clear()
                await judgement.configure()
                configured_at = time.monotonic()
            heard = await judgement.hear()
            await self.decide(judgement)
            if time.monotonic() - kept_at > KEEP_EVIDENCE_EVERY_S:
                await judgement.keep_evidence()
                kept_at = time.monotonic()
            metrics.RESULTS_JUDGED.inc(heard)
            metrics.JUDGE_SECONDS.observe(time.perf_counter() - began)
            await asyncio.sleep(GATHER_S)
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self.has_arrivals.wait()
            except TimeoutError:
                continue

    async def decide(self, judgement: Judgement) -> None:
        """Decide, and write it down."""
        at_us = now_us()
        decisions = judgement.judge.judge(at_us)
        if decisions or judgement.silent != judgement.judge.silent:
            await judgement.write(decisions, at_us)
        for step in decisions.steps:
            metrics.INCIDENT_EVENTS.labels(step.kind).inc()
            log.info(
                "incident_changed",
                kind=step.kind,
                monitor_id=step.monitor_id,
                incident_id=step.case.id,
            )
        for location, has_begun in decisions.troubles.items():
            log.warning("location_trouble", location=location, has_begun=has_begun)
