"""The agent's half of docs/protocol.md, walked at random: its own code, a peer that does anything.

Every result that was ever durable ends up stored once, or it was on a part of the disk that was
dropped or damaged and is declared lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from agent.delivery import Delivery
from agent.home import Home
from agent.spool import Spool
from agent.stream import Pace
from tests.support.delivery_server import LOST, DeliveryServer
from tests.support.faults.witness import payloads_of

PACE = Pace(
    batch_results=7, heartbeat_s=0.05, ack_timeout_s=0.5, first_retry_s=0.01, last_retry_s=0.02
)

ORDERS = ["cuts", "cuts_after_storing", "gaps", "fences", "silent_streams"]
# What no collector may say: an agent that believed it would think more stored than is.
LIES = ["acks_beyond", "stale_acks", "foreign_welcomes"]

# What there is to choose from depends on how fast the machine is; what is drawn must not.
PLACES = st.integers(0, 10_000)


def result(number: int) -> bytes:
    return b"result %d." % number


class DeliveryMachine(RuleBasedStateMachine):
    """``harmed``: results whose file was dropped or damaged; only they may be missing."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = Path(tempfile.mkdtemp(prefix="vantage-machine-"))
        self.made = self.copies = 0
        self.harmed: set[bytes] = set()

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(coroutine)

    @initialize()
    def begin(self) -> None:
        self.server = DeliveryServer()
        self.run(self.server.start())
        self.home = Home(self.directory)
        self.agent_id = self.server.enrol(self.home).agent_id
        self.open()

    def open(self) -> None:
        place = self.home.claim_spool(self.agent_id)
        self.spool = Spool(place, segment_bytes=300, keep_s=3_600)

    def on_disk(self) -> set[bytes]:
        """What any file holds, also behind damage: the agent delivers that, too."""
        content = b"".join(path.read_bytes() for path in self.directory.glob("spool/*/*.seg"))
        return {each for each in map(result, range(self.made)) if each in content}

    @rule(count=st.integers(1, 40))
    def measure(self, count: int) -> None:
        numbers = range(self.made, self.made + count)
        self.made += count
        for first in range(numbers.start, numbers.stop, 5):
            last = min(first + 5, numbers.stop)
            self.spool.append([result(number) for number in range(first, last)])

    @rule(
        order=st.sampled_from(ORDERS),
        count=st.integers(1, 2),
    )
    def misbehave(self, order: str, count: int) -> None:
        setattr(self.server.orders, order, count)

    @rule(order=st.sampled_from(LIES))
    def be_lied_to(self, order: str) -> None:
        """While several incarnations are delivered on one stream."""
        self.measure(2)
        self.restart()
        self.measure(2)
        setattr(self.server.orders, order, 1)
        self.deliver()

    @rule()
    def deliver(self) -> None:
        self.run(self.deliver_for(0.15))

    @rule()
    def restart(self) -> None:
        self.open()

    @rule()
    def drop(self) -> None:
        before = self.on_disk()
        self.spool.sacrifice()
        self.harmed |= before - self.on_disk()

    @rule(which=PLACES, where=PLACES)
    def damage(self, which: int, where: int) -> None:
        paths = sorted(self.directory.glob("spool/*/*.seg"))
        if not paths or not all(path.stat().st_size for path in paths):
            return
        path = paths[which % len(paths)]
        content = bytearray(path.read_bytes())
        incarnation = bytes.fromhex(path.parent.name.partition("-")[2])
        before = set(payloads_of(bytes(content), incarnation, int(path.stem)))
        where %= len(content)
        names = {name: content.find(name) for name in map(result, range(self.made))}
        frames = {name: range(at - 8, at + len(name)) for name, at in names.items() if at >= 0}
        self.harmed |= {name for name, frame in frames.items() if where in frame}
        content[where] ^= 0x80  # never another result's name
        path.write_bytes(content)
        # Whatever lies behind may be lost with it where it cannot be told from a torn tail.
        self.harmed |= before - set(payloads_of(bytes(content), incarnation, int(path.stem)))

    @rule(where=PLACES)
    def restore_backup(self, where: int) -> None:
        """A database as it was once: what was stored last is gone first."""
        kept = where % (sum(map(len, self.server.stored.values())) + 1)
        for stored in self.server.stored.values():
            del stored[max(kept, 0) :]
            kept -= len(stored)

    @rule(count=st.integers(1, 3))
    def copy(self, count: int) -> None:
        """A copy of this machine delivers first: what both have, and then results of its own."""
        incarnation = self.spool.running
        stored = self.server.stored[incarnation.id]
        shared = range(len(stored) + 1, incarnation.last_seq + 1)
        for seq in shared:
            [*found] = self.spool.read(incarnation, seq, max_results=1, max_bytes=1)
            stored += found or [LOST]
        self.copies += 1
        stored += [b"copy %d.%d" % (self.copies, number) for number in range(count)]

    async def deliver_for(self, seconds: float, *, until_drained: bool = False) -> None:
        delivery = Delivery(
            self.home,
            self.spool,
            collector=self.server.address,
            version="test",
            on_assignments=lambda assignments: None,
            on_run_now=lambda run_now: None,
            pace=PACE,
        )
        task = asyncio.ensure_future(delivery.run())
        began = self.loop.time()
        deadline = self.loop.time() + seconds
        quiet, hellos = 0, len(self.server.hellos)
        while self.loop.time() < deadline and not task.done() and quiet < 3:
            if len(self.server.hellos) == hellos:  # a busy machine: nothing has begun yet
                deadline = max(deadline, min(began + 2, self.loop.time() + seconds))
            await asyncio.sleep(0.05)
            is_idle = len(self.spool.incarnations) == 1 and not self.spool.backlog
            has_begun = len(self.server.hellos) > hellos
            quiet = quiet + 1 if until_drained and has_begun and is_idle else 0
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if until_drained:
            assert quiet >= 3, "never drained"

    def teardown(self) -> None:
        try:
            self.server.orders.silent_streams = 0
            self.server.orders.acks_beyond = self.server.orders.foreign_welcomes = 0
            self.run(self.deliver_for(20, until_drained=True))
            self.judge()
        finally:
            self.run(self.server.stop())
            self.loop.close()
            shutil.rmtree(self.directory)

    def judge(self) -> None:
        stored = Counter(p for p in self.server.results if p.startswith(b"result"))
        made = {result(number) for number in range(self.made)}
        assert stored.keys() <= made
        assert not self.server.counts["believed lies"]
        missing = made - stored.keys()
        assert missing <= self.harmed, f"lost: {sorted(missing - self.harmed)}"
        assert all(count == 1 for count in stored.values()), "stored twice"
        lost = sum(payloads.count(LOST) for payloads in self.server.stored.values())
        assert lost <= len(self.harmed) + self.made * bool(self.copies)


TestDelivery = DeliveryMachine.TestCase
TestDelivery.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
