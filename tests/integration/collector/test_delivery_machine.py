"""The collector's half of docs/protocol.md, walked at random over real connections.

Two connections of one agent say anything at any moment; a model of a few lines says what must be
answered, and in the end what must be stored. Every row of the page's table is reached, but for
those of OTHERS.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import grpc
import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from tests.support.collector import (
    Collector,
    configure,
    enrol,
    exchange,
    execute,
    fetch,
    new_incarnation,
    result,
    running_collector,
)
from tests.support.database import Databases
from tests.support.delivery_line import Book, Line
from tests.support.processes import wait_until
from vantage.v1 import delivery_pb2

PAGE = Path(__file__).parents[3] / "docs" / "protocol.md"
# What only time or a broken machine brings about; tests of their own hold these rows.
OTHERS = {
    "Heartbeat, while a later incarnation is the running one, for 3 s",
    "Heartbeat after the end of the agent's certificate",
    "Heartbeat that the database refuses",
    "the database is away",
    "the database refuses every commit, as in the moment of a migration",
    "a bug",
}
REFUSED_BY_DATABASE = 13
WALKS = settings(
    max_examples=12,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
LINES = st.integers(0, 1)
BOOKS = st.integers(0, 2)
RARELY = st.sampled_from([False, False, False, True])
CODES = grpc.StatusCode


def rows() -> set[str]:
    """Return the messages of the table about the collector, as they stand there."""
    section = PAGE.read_text().partition("## The collector, message by message")[2]
    table = section.partition("\n## ")[0]
    cells = re.findall(r"^\| ([^|]+?) \|", table, re.MULTILINE)
    return {cell for cell in cells if cell != "message"}


class CollectorMachine(RuleBasedStateMachine):
    collector: ClassVar[Collector]
    loop: ClassVar[asyncio.AbstractEventLoop]
    reached: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[int, Line] = {}
        self.books = [Book(new_incarnation()) for _ in range(3)]
        self.slot = 0
        self.events: Counter[str] = Counter()
        self.skips: list[tuple[bytes, int, int]] = []

    @initialize()
    def begin(self) -> None:
        self.agent = self.loop.run_until_complete(enrol(self.collector, "a"))

    # The rules ------------------------------------------------------------------------------------

    @rule(
        number=LINES,
        which=BOOKS,
        is_running=st.booleans(),
        acked=st.integers(-1, 1),
    )
    def hello(self, number: int, which: int, is_running: bool, acked: int) -> None:
        line, book = self.line(number), self.books[which]
        hello = delivery_pb2.Hello(
            incarnation=book.id, is_running=is_running, acked=max(0, len(book.kept) + acked)
        )
        line.send(hello=hello)
        if is_running and book.is_superseded:
            self.reach("Hello, running, of an incarnation that a later one replaced")
            self.events["copy_refused"] += 1
            self.ends(number, CODES.PERMISSION_DENIED)
            return
        if line.book is not None and line.book is not book:
            self.reach("Hello of another incarnation")
        welcome = line.read("welcome")
        assert (welcome.incarnation, welcome.high_water) == (book.id, len(book.kept))
        assert welcome.HasField("payload_crc32") == bool(book.kept and book.kept[-1] is not None)
        self.reach("Hello")
        if acked > 0:
            self.reach("Hello with a higher `acked` than the stored high water")
            self.events["database_restored"] += 1
        book.connection += 1
        line.book, line.number = book, book.connection
        line.running = book if is_running else None
        if is_running:
            book.is_running = True
            for other in self.books:
                other.is_superseded |= other.is_running and other is not book

    @rule(number=LINES, length=st.sampled_from([0, 15, 17]))
    def hello_of_nobody(self, number: int, length: int) -> None:
        self.line(number).send(hello=delivery_pb2.Hello(incarnation=bytes(length)))
        self.reach("Hello, not 16 bytes")
        self.ends(number, CODES.INVALID_ARGUMENT)

    @rule(
        number=LINES,
        which=BOOKS,
        is_rude=RARELY,
        offset=st.integers(-3, 2),
        count=st.integers(1, 3),
        bad=st.sampled_from(
            ["", "", "undecodable", "unknown", "refused by the database", "stored"]
        ),
    )
    def batch(
        self, number: int, which: int, is_rude: bool, offset: int, count: int, bad: str
    ) -> None:
        line = self.line(number) if is_rude else self.named(number, which)
        high_water = len(line.book.kept) if line.book else 0
        first_seq = max(1, high_water + 1 + offset)
        slots: list[int | str | None] = list(range(self.slot, self.slot + count))
        self.slot += count
        payloads = [result(1, int(slot or 0)) for slot in slots]
        known = [slot for book in self.books for slot in book.kept if isinstance(slot, int)]
        is_known = bad == "stored" and bool(known)
        if is_known:
            slots[-1], payloads[-1] = bad, result(1, known[-1])
        elif bad and bad != "stored":
            slots[-1], payloads[-1] = "bad", self.bad(bad)
        batch = delivery_pb2.Batch(first_seq=first_seq, results=payloads, may_be_stored=is_known)
        line.send(batch=batch)
        if not self.is_answered(number, line, "Batch", first_seq, first_seq + count - 1):
            return
        assert line.book is not None
        new = slots[high_water + 1 - first_seq :]
        line.book.kept += new
        if "stored" in new:
            self.reach("Batch that may be stored, and some of it is")
        if "bad" in new:
            is_for_database = bad == "refused by the database"
            kind = "a result that only the database refuses"
            self.reach(f"Batch with {kind if is_for_database else 'results that cannot be rows'}")

    def bad(self, kind: str) -> bytes:
        self.slot += 1
        if kind == "undecodable":
            return b"\xff\xff%d" % self.slot
        if kind == "unknown":
            return result(99, self.slot)
        return result(1, self.slot, exchanges=[exchange(header_bytes=REFUSED_BY_DATABASE)])

    @rule(
        number=LINES,
        which=BOOKS,
        what=st.sampled_from([(0, 1), (-1, 1), (1, 0), (1, 10_001)]),
    )
    def impossible_batch(self, number: int, which: int, what: tuple[int, int]) -> None:
        line = self.named(number, which)
        first_seq, count = what
        batch = delivery_pb2.Batch(first_seq=first_seq, results=[b"x"] * count)
        line.send(batch=batch)
        self.reach("Batch, first_seq below 1, none or more than 10,000 results")
        self.ends(number, CODES.INVALID_ARGUMENT)

    @rule(
        number=LINES,
        which=BOOKS,
        is_rude=RARELY,
        offset=st.integers(-3, 2),
        count=st.integers(1, 3),
    )
    def skip(self, number: int, which: int, is_rude: bool, offset: int, count: int) -> None:
        line = self.line(number) if is_rude else self.named(number, which)
        high_water = len(line.book.kept) if line.book else 0
        first_seq = max(1, high_water + 1 + offset)
        last_seq = first_seq + count - 1
        skip = delivery_pb2.Skip(from_seq=first_seq, to_seq=last_seq, reason="spool_full")
        line.send(skip=skip)
        if not self.is_answered(number, line, "Skip", first_seq, last_seq):
            return
        assert line.book is not None
        if last_seq > high_water:
            line.book.kept += [None] * (last_seq - high_water)
            self.skips.append((line.book.id, high_water + 1, last_seq))

    @rule(
        number=LINES,
        which=BOOKS,
        what=st.sampled_from([(0, 1, "a"), (2, 1, "a"), (1, 2**62 + 1, "a"), (1, 1, "No.")]),
    )
    def impossible_skip(self, number: int, which: int, what: tuple[int, int, str]) -> None:
        line = self.named(number, which)
        from_seq, to_seq, reason = what
        skip = delivery_pb2.Skip(from_seq=from_seq, to_seq=to_seq, reason=reason)
        line.send(skip=skip)
        self.reach("Skip, an impossible range or no reason")
        self.ends(number, CODES.INVALID_ARGUMENT)

    def is_answered(self, number: int, line: Line, what: str, first: int, last: int) -> bool:
        """Check the answer to a batch or a skip; tell whether it was to be stored."""
        book = line.book
        if book is None:
            self.reach(f"{what}")
            self.ends(number, CODES.FAILED_PRECONDITION)
        elif line.number != book.connection:
            if what == "Batch":
                self.reach("Batch, a newer connection has said Hello")
            line.read("fenced")
            self.ends(number, CODES.OK)
        elif first > len(book.kept) + 1:
            self.reach(f"{what}, begins above the high water + 1")
            assert line.read("gap").high_water == len(book.kept)
        else:
            ends = f"{what}, {'ends' if what == 'Skip' else 'begins'}"
            if last <= len(book.kept):
                self.reach(f"{what}, wholly at or below the high water")
            elif what == "Skip":
                self.reach(f"{ends} above the high water, begins at it + 1 or below")
            else:
                self.reach(f"{ends} at or below the high water + 1, ends above")
            assert line.read("ack").high_water == max(last, len(book.kept))
            return True
        return False

    @rule(number=LINES, kind=st.sampled_from(["copy_detected", "Not a code", ""]))
    def event(self, number: int, kind: str) -> None:
        line = self.line(number)
        line.send(event=delivery_pb2.Event(kind=kind, detail="said"))
        self.events["copy_detected"] += kind == "copy_detected"
        self.reach("Event")
        line.settle()

    @rule(number=LINES, backlog=st.integers(0, 9), offset_us=st.none() | st.integers(-9, 9))
    def heartbeat(self, number: int, backlog: int, offset_us: int | None) -> None:
        line = self.line(number)
        if line.running and line.running.is_superseded:
            return  # for three seconds nothing happens, then a row of OTHERS does
        line.beat(
            backlog=backlog,
            clock_offset_us=offset_us,
            clock_uncertainty_us=None if offset_us is None else 5,
        )
        line.settle(backlog)
        [row] = self.fetch("SELECT backlog, clock_offset_us FROM vantage.agents WHERE id = %s")
        assert row["backlog"] == backlog
        assert offset_us is None or row["clock_offset_us"] == offset_us
        self.reach("Heartbeat", "Heartbeat with a number")
        if offset_us is not None:
            self.reach("Heartbeat with a clock offset")

    @rule(number=LINES, which=BOOKS)
    def close(self, number: int, which: int) -> None:
        line, book = self.line(number), self.books[which]
        line.send(close=delivery_pb2.Close(incarnation=book.id))
        if line.book is book:
            book.is_closed |= line.number == book.connection
            line.book = None
        self.reach("Close")
        line.settle()

    @rule(number=LINES)
    def unknown(self, number: int) -> None:
        line = self.line(number)
        line.send_unknown()
        self.reach("a message it does not know")
        line.settle()

    @rule(number=LINES)
    def break_off(self, number: int) -> None:
        if line := self.lines.pop(number, None):
            line.break_off()
            self.reach("the connection breaks")

    @rule(number=LINES, is_batch=st.booleans())
    def revoke(self, number: int, is_batch: bool) -> None:
        """Shut the agent out for one message, and let it in again."""
        line = self.line(number)
        if is_batch and (line.book is None or line.number != line.book.connection):
            return
        self.set_revoked("now()")
        if is_batch:
            line.send(batch=delivery_pb2.Batch(first_seq=1, results=[result(1, 1)]))
        else:
            line.send(heartbeat=delivery_pb2.Heartbeat())
        self.reach("Batch or Heartbeat of a revoked agent")
        self.ends(number, CODES.PERMISSION_DENIED)
        self.set_revoked("NULL")

    def set_revoked(self, at: str) -> None:
        with psycopg.connect(self.collector.url, autocommit=True) as connection:
            statement = f"UPDATE vantage.agents SET revoked_at = {at} WHERE id = %s"
            connection.execute(statement.encode(), [self.agent.agent_id])

    # What they are made of ------------------------------------------------------------------------

    def line(self, number: int) -> Line:
        """Return a connection that the collector knows of, as it does of the ends of others."""
        if number not in self.lines:
            self.wait_for_lines()
            self.lines[number] = Line(self.collector, self.agent, self.loop)
            self.wait_for_lines()
        return self.lines[number]

    def named(self, number: int, which: int) -> Line:
        """Return a connection on which something was said Hello of."""
        if self.line(number).book is None:
            self.hello(number, which, False, 0)
        return self.lines[number]

    def wait_for_lines(self) -> None:
        """Wait until the collector has the streams open that are open here, and no other."""
        wait_until(lambda: self.open_there() == len(self.lines), what="streams")

    def open_there(self) -> int:
        said = self.collector.program.said().splitlines()
        own = [line for line in said if str(self.agent.agent_id) in line]
        return sum(("stream_opened" in line) - ("stream_closed" in line) for line in own)

    def ends(self, number: int, code: grpc.StatusCode) -> None:
        assert self.lines.pop(number).ended() == code

    def reach(self, *messages: str) -> None:
        self.reached.update(messages)

    def fetch(self, statement: str) -> list[dict[str, Any]]:
        return fetch(self.collector.url, statement, [self.agent.agent_id])

    def teardown(self) -> None:
        for number in [*self.lines]:
            self.break_off(number)
        if not hasattr(self, "agent"):
            return
        for book in self.books:
            self.judge(book)
        events = self.fetch("SELECT kind FROM vantage.agent_events WHERE agent_id = %s")
        told = Counter(row["kind"] for row in events)
        assert {kind: told[kind] for kind in self.events} == self.events
        found = self.fetch(
            "SELECT slot_at FROM vantage.results WHERE agent_id = %s ORDER BY slot_at"
        )
        assert len(found) == len({row["slot_at"] for row in found})
        kept = [slot for book in self.books for slot in book.kept]
        assert len(found) == sum(isinstance(slot, int) for slot in kept)
        skips = self.fetch(
            "SELECT incarnation, from_seq, to_seq FROM vantage.skips WHERE agent_id = %s"
        )
        assert Counter(
            (bytes(row["incarnation"]), row["from_seq"], row["to_seq"]) for row in skips
        ) == Counter(self.skips)

    def judge(self, book: Book) -> None:
        rows = self.fetch(
            "SELECT incarnation, high_water, closed_at IS NOT NULL AS is_closed"
            " FROM vantage.incarnations WHERE agent_id = %s"
        )
        found = [row for row in rows if bytes(row["incarnation"]) == book.id]
        if not book.connection:
            return
        assert found[0]["high_water"] == len(book.kept)
        assert found[0]["is_closed"] == book.is_closed
        refused = self.fetch("SELECT incarnation, seq FROM vantage.quarantine WHERE agent_id = %s")
        assert sorted(row["seq"] for row in refused if bytes(row["incarnation"]) == book.id) == [
            seq for seq, slot in enumerate(book.kept, 1) if slot == "bad"
        ]


@pytest.fixture(scope="module")
def collector(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Collector]:
    with databases.migrated() as database:
        configure(database.url())
        url = database.url(role="vantage_collector")
        with running_collector(url, tmp_path_factory.mktemp("collector")) as collector:
            execute(
                collector,
                "ALTER TABLE vantage.results ADD CONSTRAINT surprise CHECK (header_bytes <> 13)",
            )
            yield collector


def walk_every_row(walk: CollectorMachine) -> None:
    """What chance may leave out."""
    walk.begin()
    walk.unknown(0)
    walk.hello_of_nobody(0, 15)
    walk.batch(0, 0, True, 0, 1, "")
    walk.skip(0, 0, True, 0, 1)
    walk.hello(0, 0, True, 0)
    for offset, count, bad in [
        (0, 3, ""),
        (-3, 2, ""),
        (2, 1, ""),
        (0, 2, "undecodable"),
        (0, 2, "refused by the database"),
        (-1, 3, "stored"),
    ]:
        walk.batch(0, 0, False, offset, count, bad)
    for offset, count in [(0, 2), (-2, 2), (2, 1)]:
        walk.skip(0, 0, False, offset, count)
    walk.event(0, "copy_detected")
    walk.heartbeat(0, 3, 4)
    walk.revoke(0, True)
    walk.impossible_batch(0, 0, (0, 1))
    walk.impossible_skip(0, 0, (2, 1, "a"))
    walk.hello(0, 1, True, 1)
    walk.hello(1, 1, False, 0)
    walk.batch(0, 1, True, 0, 1, "")
    walk.hello(1, 2, False, 0)
    walk.close(1, 2)
    walk.hello(1, 0, True, 0)
    walk.hello(0, 0, False, 0)
    walk.break_off(0)


def test_every_row_of_the_collectors_table_is_as_written(collector: Collector) -> None:
    CollectorMachine.collector = collector
    CollectorMachine.reached = Counter()
    CollectorMachine.loop = asyncio.new_event_loop()
    try:
        walk = CollectorMachine()
        walk_every_row(walk)
        walk.teardown()
        run_state_machine_as_test(CollectorMachine, settings=WALKS)
    finally:
        CollectorMachine.loop.close()
    assert rows() >= OTHERS
    assert rows() - OTHERS - set(CollectorMachine.reached) == set()
    assert "Traceback" not in collector.program.said()
