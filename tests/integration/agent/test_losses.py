"""What is lost, restored or copied: declared, sent again, or taken elsewhere; never doubled."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from agent.incarnation import Incarnation
from agent.spool import Spool
from tests.support.delivering import Agent, payloads, until


async def deliver_and_lose(agent: Agent) -> bytes:
    """Have 200 results delivered, in many small files, of which a backup that is restored has 50;
    spool ten more. Return their incarnation."""
    async with agent.delivering() as delivery:
        for seq in range(1, 201):
            agent.spool.append(payloads(seq, seq))
        delivery.wake()
        await agent.delivered()
    running = agent.spool.running.id
    del agent.server.stored[running][50:]
    agent.spool.append(payloads(201, 210))
    return running


async def test_after_a_restored_backup_what_is_kept_is_sent_again(agent: Agent) -> None:
    agent.keep_s = 3_600
    agent.open_spool()
    running = await deliver_and_lose(agent)
    with capture_logs() as logs:
        async with agent.delivering():
            await agent.delivered()
    assert agent.server.stored[running] == payloads(1, 210)
    assert agent.server.acked[-1] == 200
    assert [entry["high_water"] for entry in logs if entry["event"] == "database_restored"] == [50]


async def test_after_a_restored_backup_closed_incarnations_are_sent_again(agent: Agent) -> None:
    agent.keep_s = 3_600
    agent.open_spool().append(payloads(1, 40))
    first = agent.spool.running.id
    agent.open_spool().append(payloads(1, 20))
    async with agent.delivering():
        await agent.delivered()
        await until(lambda: agent.server.closed == [first], "Close")
    agent.server.stored.clear()
    async with agent.delivering():
        await until(lambda: len(agent.server.results) == 60, "everything again")
    assert agent.server.stored == {first: payloads(1, 40), agent.spool.running.id: payloads(1, 20)}


async def test_a_restored_backup_is_noticed_by_an_agent_that_has_delivered_nothing_since_its_start(
    agent: Agent,
) -> None:
    agent.keep_s = 3_600
    agent.open_spool().append(payloads(1, 40))
    first = agent.spool.running.id
    agent.open_spool()
    async with agent.delivering():
        await until(lambda: agent.server.closed == [first], "Close")
    agent.server.stored.clear()
    async with agent.delivering():
        await until(lambda: len(agent.server.results) == 40, "everything again")
    assert agent.server.stored[first] == payloads(1, 40)


async def test_after_a_restored_backup_what_is_not_kept_is_declared_lost(agent: Agent) -> None:
    running = await deliver_and_lose(agent)
    async with agent.delivering():
        await agent.delivered()
    [skip] = agent.server.skips
    assert (skip.from_seq, skip.reason) == (51, "database_restored")
    assert agent.server.stored[running][skip.to_seq :] == payloads(skip.to_seq + 1, 210)
    assert agent.server.stored[running][:50] == payloads(1, 50)


async def test_dropped_results_are_declared_lost(agent: Agent) -> None:
    for seq in range(1, 201):
        agent.spool.append(payloads(seq, seq))
    lost = [p for _ in range(3) if (dropped := agent.spool.sacrifice()) for p in dropped.payloads]
    assert lost == payloads(1, len(lost))
    async with agent.delivering():
        await agent.delivered()
    [skip] = agent.server.skips
    assert (skip.from_seq, skip.to_seq, skip.reason) == (1, len(lost), "spool_full")
    assert agent.server.results == payloads(len(lost) + 1, 200)


class Hurried(Spool):
    """Has to make room in the very moment in which something is read to be sent."""

    def read(
        self, incarnation: Incarnation, seq: int, *, max_results: int, max_bytes: int
    ) -> list[bytes]:
        self.sacrifice()
        return super().read(incarnation, seq, max_results=max_results, max_bytes=max_bytes)


async def test_what_is_about_to_be_sent_is_not_dropped(agent: Agent) -> None:
    agent.spool = Hurried(agent.spool.running.directory.parent, segment_bytes=500)
    for seq in range(1, 101):
        agent.spool.append(payloads(seq, seq))
    first = sorted(agent.spool.running.directory.glob("*.seg"))[1]
    async with agent.delivering():
        await agent.delivered()
    assert agent.server.results[: int(first.stem) - 1] == payloads(1, int(first.stem) - 1)
    lost = sum(skip.to_seq - skip.from_seq + 1 for skip in agent.server.skips)
    assert lost == 100 - len(agent.server.results)


async def test_damaged_results_are_declared_lost_and_the_others_delivered(agent: Agent) -> None:
    for seq in range(1, 101):
        agent.spool.append(payloads(seq, seq))
    path = sorted(agent.spool.running.directory.glob("*.seg"))[2]
    content = bytearray(path.read_bytes())
    content[10] ^= 1
    path.write_bytes(content)
    async with agent.delivering():
        await agent.delivered()
    [skip] = agent.server.skips
    bad = int(path.stem)
    assert (skip.from_seq, skip.to_seq, skip.reason) == (bad, bad, "spool_damaged")
    assert agent.server.results == payloads(1, bad - 1) + payloads(bad + 1, 100)


async def test_skips_in_doubt_are_declared_again_until_they_are_stored(agent: Agent) -> None:
    """Cut before, after, or in place of the answer."""
    orders = agent.server.orders
    orders.cuts = orders.cuts_after_storing = orders.gaps = 2
    for seq in range(1, 201):
        agent.spool.append(payloads(seq, seq))
    dropped = agent.spool.sacrifice()
    assert dropped is not None
    async with agent.delivering():
        await agent.delivered()
    lost = len(dropped.payloads)
    assert len(agent.server.skips) > 1
    assert agent.server.results == payloads(lost + 1, 200)


async def test_a_collector_too_old_to_be_told_of_losses_gets_nothing_behind_them(
    agent: Agent,
) -> None:
    agent.server.orders.is_old = True
    for seq in range(1, 201):
        agent.spool.append(payloads(seq, seq))
    dropped = agent.spool.sacrifice()
    assert dropped is not None
    with capture_logs() as logs:
        async with agent.delivering():
            await until(
                lambda: sum(entry["event"] == "connection_ended" for entry in logs) > 1, "an end"
            )
            agent.server.orders.is_old = False  # updated
            await agent.delivered()
    reasons = [entry["reason"] for entry in logs if entry["event"] == "connection_ended"]
    assert "too old to be told" in reasons[0]
    assert agent.server.results == payloads(len(dropped.payloads) + 1, 200)


@pytest.mark.parametrize("is_sealed", [False, True])
async def test_a_copy_takes_its_results_to_an_incarnation_of_its_own(
    agent: Agent, is_sealed: bool
) -> None:
    """Both machines went on from result 20; the other was faster."""
    shared = agent.spool.running.id
    agent.spool.append(payloads(1, 20))
    async with agent.delivering():
        await agent.delivered()
    agent.server.stored[shared] += [b"the other's %d" % seq for seq in range(21, 26)]
    agent.spool.append(payloads(21, 30))
    if is_sealed:
        agent.open_spool()
    async with agent.delivering():
        await until(lambda: len(agent.server.results) == 35, "both machines' results")
        await until(lambda: agent.server.events, "an event")
    assert sorted(agent.server.results[25:]) == payloads(21, 30)
    assert len(agent.server.stored[shared]) == 25
    [event] = agent.server.events
    assert event.kind == "copy_detected"
    assert "10 undelivered results" in event.detail


@pytest.mark.parametrize("is_sealed", [False, True])
async def test_results_that_a_copy_has_delivered_beyond_are_delivered_all_the_same(
    agent: Agent, is_sealed: bool
) -> None:
    """Both machines went on from result 20 with 5 on their disks; the other delivered more."""
    shared = agent.spool.running.id
    agent.spool.append(payloads(1, 20))
    async with agent.delivering():
        await agent.delivered()
    agent.spool.append(payloads(21, 25))
    others = [b"the other's %d" % seq for seq in range(26, 46)]
    agent.server.stored[shared] += payloads(21, 25) + others
    agent.spool.append(payloads(26, 30))
    if is_sealed:
        agent.open_spool()
    async with agent.delivering():
        await until(lambda: len(agent.server.results) == 50, "both machines' results")
        await until(lambda: agent.server.events, "an event")
    assert sorted(agent.server.results) == sorted(payloads(1, 30) + others)
    [event] = agent.server.events
    assert event.kind == "copy_suspected"
    assert "10 undelivered results" in event.detail


async def test_what_was_acknowledged_is_not_in_doubt(agent: Agent) -> None:
    agent.keep_s = 3_600
    agent.open_spool().append(payloads(1, 20))
    shared = agent.spool.running.id
    async with agent.delivering():
        await agent.delivered()
    agent.server.stored[shared].append(b"the other's 21")
    agent.open_spool()
    async with agent.delivering():
        await until(lambda: agent.server.closed == [shared], "Close")
    assert agent.server.stored[shared] == [*payloads(1, 20), b"the other's 21"]
    assert not agent.server.events


async def test_what_a_copy_left_is_kept_for_a_database_that_is_restored(agent: Agent) -> None:
    agent.keep_s = 3_600
    agent.open_spool().append(payloads(1, 20))
    async with agent.delivering():
        await agent.delivered()
    agent.server.stored[agent.spool.running.id].append(b"the other's 21")
    agent.spool.append(payloads(21, 30))
    async with agent.delivering():
        await until(lambda: len(agent.server.results) == 31, "both machines' results")
        await agent.delivered()
    agent.server.stored.clear()
    async with agent.delivering():
        await until(lambda: len(agent.server.results) == 30, "everything again")
    assert sorted(agent.server.results) == sorted(payloads(1, 30))
