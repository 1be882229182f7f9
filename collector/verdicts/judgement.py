"""What a judge knows and decides, in the database: read at the start, written at each decision."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from psycopg.rows import DictRow

from collector import db
from collector.verdicts import words
from collector.verdicts.incident import Incident
from collector.verdicts.judge import Case, Decisions, Judge, Step, Vote, Watched
from collector.verdicts.slowness import Slowness
from collector.verdicts.verdict import Place, Rule, Standing, Verdict, take
from vantage import failure

EPOCH = datetime.fromtimestamp(0, UTC)


def instant(unix_us: int) -> datetime:
    """Turn microseconds after the Unix epoch into what the driver takes."""
    return EPOCH + timedelta(microseconds=unix_us)


def instant_or_none(unix_us: int | None) -> datetime | None:
    """Do the same where there may be none."""
    return None if unix_us is None else instant(unix_us)


class Told(NamedTuple):
    """An incident in words: its most frequent code, a sentence, and since when that is so."""

    cause: str
    summary: str
    failing_since_at: datetime


@dataclass(slots=True)
class Judgement:
    """A judge, and the connection that what it decides is written over."""

    connection: db.AsyncConnection
    judge: Judge = field(default_factory=Judge)
    titles: dict[str, str] = field(default_factory=dict)
    unwell_agents: frozenset[UUID] = frozenset()
    silent: frozenset[str] = frozenset()
    slowness: dict[tuple[int, str], Slowness] = field(default_factory=dict)

    # Reading ------------------------------------------------------------------------------------

    async def resume(self) -> None:
        """Make the judge know what is stored."""
        # What arrives from here on is in the results, in the arrivals, or in both.
        await self._run("forget_arrivals")
        await self.configure()
        await self.compare(self.connection)
        verdicts = {row["monitor_id"]: verdict(row) for row in await self._rows("verdicts")}
        standings: defaultdict[int, dict[str, Standing]] = defaultdict(dict)
        for row in await self._rows("votes"):
            known = verdicts.get(row["monitor_id"])
            standings[row["monitor_id"]][row["location"]] = standing(row, known)
        cases = {
            row["monitor_id"]: Case(incident(row), row["id"], row["silenced_by"])
            for row in await self._rows("incidents")
        }
        troubled = await self._rows("troubled")
        self.silent = frozenset(row["location"] for row in troubled if row["kind"] == "silent")
        self.judge.resume(
            standings,
            verdicts,
            cases,
            {row["location"] for row in troubled if row["kind"] == "failing"},
        )

    async def configure(self) -> None:
        """Read what is watched, by which rules, and which agents are well."""
        rows = await self._rows("places")
        # A location without agents can neither fail nor be well: it does not count at all.
        places = {
            row["name"]: Place(row["name"], row["country"], row["asn"])
            for row in rows
            if row["has_agents"]
        }
        self.titles = {row["name"]: row["title"] for row in rows}
        self.judge.silent = frozenset(row["name"] for row in rows if row["is_silent"])
        self.unwell_agents = frozenset(row["id"] for row in await self._rows("unwell_agents"))
        self.judge.configure(watched(row, places) for row in await self._rows("watched"))

    async def compare(self, connection: db.AsyncConnection) -> None:
        """Ask the database what is slower than usual; over which connection is the caller's."""
        cursor = await connection.execute(db.queries("verdicts")["slower"])
        self.slowness = {
            (row["monitor_id"], row["location"]): Slowness(
                row["phase"], row["level_us"], row["usual_us"]
            )
            for row in await cursor.fetchall()
        }
        slower: defaultdict[int, set[str]] = defaultdict(set)
        for monitor_id, location in self.slowness:
            slower[monitor_id].add(location)
        self.judge.compare(slower)

    async def hear(self) -> int:
        """Take what has arrived into account; return how many results that was."""
        heard = 0
        while True:
            rows = await self._rows("arrivals")
            for row in sorted(rows, key=lambda row: int(row["id"])):
                heard += len(row["monitor_ids"])
                if row["agent_id"] in self.unwell_agents:
                    continue
                for monitor_id, slot_at_us, outcome in zip(
                    row["monitor_ids"], row["slots_at_us"], row["outcomes"], strict=True
                ):
                    vote = Vote(monitor_id, row["location"], slot_at_us, outcome)
                    self.judge.hear(vote, received_at_us=row["received_at_us"])
            if not rows:
                return heard

    # Writing ------------------------------------------------------------------------------------

    async def write(self, decisions: Decisions, now_us: int) -> None:
        """Write down what was decided, all or nothing, and ask whom it says to ask."""
        at = instant(now_us)
        async with self.connection.transaction():
            await self._write_troubles(decisions, at)
            await self._write_verdicts(decisions.verdicts, at)
            for monitor_id in dict.fromkeys(step.monitor_id for step in decisions.steps):
                steps = [step for step in decisions.steps if step.monitor_id == monitor_id]
                await self._write_incident(steps, at)
            for ask in decisions.asks:
                payload = f"{ask.monitor_id} {now_us} {','.join(ask.locations)}"
                await self._run("ask", payload=payload)

    async def _write_troubles(self, decisions: Decisions, at: datetime) -> None:
        for location, has_begun in decisions.troubles.items():
            reputation = self.judge.reputations[location]
            detail = (
                f"{len(reputation.recent)} monitors were last judged from "
                f"{self.titles.get(location, location)}; most failed there and nowhere else."
            )
            await self._trouble("failing", location, has_begun, at, detail)
        for location in self.judge.silent ^ self.silent:
            detail = f"None of the agents of {self.titles.get(location, location)} answers."
            await self._trouble("silent", location, location in self.judge.silent, at, detail)
        self.silent = self.judge.silent

    async def _trouble(
        self, kind: str, location: str, has_begun: bool, at: datetime, detail: str
    ) -> None:
        statement = "begin_trouble" if has_begun else "end_trouble"
        await self._run(statement, kind=kind, location=location, at=at, detail=detail)

    async def _write_verdicts(self, verdicts: Mapping[int, Verdict | None], at: datetime) -> None:
        changed = [
            {
                "monitor_id": monitor_id,
                "at": at,
                "state": each.state,
                "voting": each.voting,
                "needed": each.needed,
                "failing": list(each.failing),
                "slow": list(each.slow),
                "slower": list(each.slower),
                "failing_since_at": instant_or_none(each.failing_since_us),
            }
            for monitor_id, each in verdicts.items()
            if each is not None
        ]
        gone = [{"monitor_id": each} for each, verdict in verdicts.items() if verdict is None]
        async with self.connection.cursor() as cursor:
            statements = db.queries("verdicts")
            if changed:
                await cursor.executemany(statements["store_verdict"], changed)
            if gone:
                await cursor.executemany(statements["drop_verdict"], gone)

    async def _write_incident(self, steps: Sequence[Step], at: datetime) -> None:
        """Write what happened to one incident: the row, its evidence, its events."""
        case, monitor_id = steps[0].case, steps[0].monitor_id
        now = case.incident
        if case.id is None:
            opened = await self._rows(
                "open_incident",
                monitor_id=monitor_id,
                severity=now.severity,
                began_at=instant(now.began_at_us),
                opened_at=instant(now.opened_at_us),
            )
            if not opened:
                return  # its monitor was deleted a moment ago
            case.id = opened[0]["id"]
        await self.write_evidence(monitor_id, case.id, now)
        told: Told | None = None
        is_failing = any(step.kind not in ("recovered", "closed") for step in steps)
        if is_failing:
            is_again = any(step.kind in ("relapsed", "reopened") for step in steps)
            told = await self._told(monitor_id, case.id, is_again=is_again)
        silencer = self.judge.cases.get(case.silenced_by) if case.silenced_by else None
        await self._run(
            "store_incident",
            id=case.id,
            severity=now.severity,
            recovered_at=instant_or_none(now.recovered_at_us),
            closed_at=instant_or_none(now.closed_at_us),
            reopened=now.reopened,
            silenced_by=silencer.id if silencer else None,
            assigned=len(self.judge.watched[monitor_id].places) if is_failing else None,
            cause=told.cause if told else None,
            summary=told.summary if told else None,
            failing_since_at=told.failing_since_at if told else None,
        )
        for step in steps:
            await self._run(
                "add_event",
                id=case.id,
                at=at,
                kind=step.kind,
                detail=step.why or (told.summary if told else None),
                failing_since_at=told.failing_since_at if told and not step.why else None,
            )

    async def write_evidence(self, monitor_id: int, incident_id: int, now: Incident) -> None:
        """Keep the first and last failing result of each location, and the first good one after."""
        for location in sorted(now.locations):
            stands = self.judge.standings[monitor_id].get(location)
            if stands is None:
                continue
            # Of one that is only slow, any result shows it.
            is_slow = now.severity == "degraded" and now.recovered_at_us is None
            failed_at_us = stands.failed_at_us or (stands.slot_at_us if is_slow else None)
            slots = {
                "first": stands.failing_since_us or failed_at_us,
                "last": failed_at_us,
                "well": None if stands.failed else stands.well_since_us,
            }
            for which, slot_at_us in slots.items():
                if slot_at_us is not None:
                    await self._run(
                        "add_evidence",
                        id=incident_id,
                        monitor_id=monitor_id,
                        location=location,
                        which=which,
                        slot_at=instant(slot_at_us),
                    )
            if stands.failed:
                await self._run("drop_well", id=incident_id, location=location)

    async def keep_evidence(self) -> None:
        """Note the newest failing results of incidents that go on."""
        async with self.connection.transaction():
            for monitor_id, case in self.judge.cases.items():
                if case.id is not None and case.incident.is_open:
                    await self.write_evidence(monitor_id, case.id, case.incident)

    async def _told(self, monitor_id: int, incident_id: int, *, is_again: bool) -> Told:
        """Put the incident into words. ``is_again``: it fails again with what is being written."""
        verdict = self.judge.verdicts[monitor_id]
        assigned = len(self.judge.watched[monitor_id].places)
        [row] = await self._rows("was_well", id=incident_id)
        since_us = self.judge.cases[monitor_id].incident.began_at_us
        if (is_again or row["was_well"]) and verdict.failing_since_us is not None:
            since_us = verdict.failing_since_us
        slower = {
            self.titles.get(name, name): slowness
            for name in verdict.slower
            if (slowness := self.slowness.get((monitor_id, name)))
        }
        if slower and verdict.state == "degraded":
            return Told("slower_than_usual", words.slower(slower, assigned), instant(since_us))
        seen = {
            row["location"]: (row["failure"] or "other", row["http_status"])
            for row in await self._rows("causes", id=incident_id)
        }
        named = verdict.failing or verdict.slow or verdict.slower
        codes = Counter(seen[name][0] for name in named if name in seen)
        cause = min(codes, key=lambda code: (-codes[code], code), default="other")
        causes = {
            self.titles.get(name, name): failure.cause(*seen.get(name, (cause, None)))
            for name in named
        }
        return Told(cause, words.outage(causes, assigned), instant(since_us))

    async def _rows(self, statement: str, **parameters: Any) -> list[DictRow]:
        cursor = await self.connection.execute(db.queries("verdicts")[statement], parameters)
        return await cursor.fetchall()

    async def _run(self, statement: str, **parameters: Any) -> None:
        await self.connection.execute(db.queries("verdicts")[statement], parameters)


def watched(row: DictRow, places: Mapping[str, Place]) -> Watched:
    """Turn a row of the statement ``watched`` into what a judge knows."""
    return Watched(
        id=row["id"],
        account_id=row["account_id"],
        host=urlsplit(row["url"]).hostname or row["url"],
        interval_us=row["interval_s"] * 1_000_000,
        timeout_us=row["timeout_us"],
        rule=Rule(
            needed_locations=row["needed_locations"],
            needed_percent=row["needed_percent"],
            consecutive=row["consecutive"],
            distinct_by=row["distinct_by"],
            closes_after_us=row["closes_after_s"] * 1_000_000,
            opens_when_degraded=row["opens_when_degraded"],
            slower_for_us=row["slower_for_s"] * 1_000_000 if row["slower_factor"] else None,
            slower_locations=row["slower_locations"],
        ),
        places=tuple(places[name] for name in row["locations"] if name in places),
        parents=tuple(row["parents"]),
        is_in_maintenance=row["is_in_maintenance"],
    )


def verdict(row: DictRow) -> Verdict:
    """Turn a stored verdict into a judge's."""
    return Verdict(
        row["state"],
        row["voting"],
        row["needed"],
        tuple(row["failing"]),
        tuple(row["slow"]),
        row["failing_since_us"],
        tuple(row["slower"]),
    )


def incident(row: DictRow) -> Incident:
    """Turn a stored incident into a judge's."""
    return Incident(
        row["severity"],
        row["began_at_us"],
        row["opened_at_us"],
        frozenset(row["locations"]),
        row["recovered_at_us"],
        row["closed_at_us"],
        row["reopened"],
    )


def standing(row: DictRow, known: Verdict | None) -> Standing:
    """Count a location's stored votes; how long it fails may be known from further back."""
    stands: Standing | None = None
    for slot_at_us, outcome in zip(row["slots_at_us"], row["outcomes"], strict=True):
        stands = take(stands, slot_at_us, outcome)
    assert stands is not None  # noqa: S101 - the statement gives one vote at least
    if known is None or known.failing_since_us is None or row["location"] not in known.failing:
        return stands
    if stands.failing_since_us is None or stands.failing_since_us != row["slots_at_us"][0]:
        return stands
    return stands._replace(failing_since_us=min(known.failing_since_us, stands.failing_since_us))
