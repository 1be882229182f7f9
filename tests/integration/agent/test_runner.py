"""The runner on a real loop: what is due is probed, and what is not run is counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from agent import runner as runner_module
from agent.missed import Missed
from agent.probe import Prober
from agent.result import Assignment, Exchange, Monitor, Outcome, Phases, Result
from agent.runner import Runner

FAST_US = 20_000


def assignment(monitor_id: int, interval_us: int = FAST_US, url: str = "http://x/") -> Assignment:
    return Assignment(Monitor(id=monitor_id, url=url, interval_us=interval_us), 0)


class SlowTarget:
    """Probes that take a given time; knows how many run at once."""

    def __init__(self, duration_s: float = 0.0) -> None:
        self.duration_s = duration_s
        self.running = self.most = self.cancelled = 0

    async def probe(self, monitor: Monitor, *, slot_at_us: int, delay_us: int) -> Result:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.duration_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        started_at_us = slot_at_us + delay_us
        exchange = Exchange(monitor.url, Phases(), 0)
        return Result(
            monitor.id, slot_at_us, started_at_us, Outcome.UP, None, (exchange,), 0, 0, delay_us
        )


async def until(condition: Callable[[], object], limit_s: float = 20) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_real_target_is_probed_at_its_slots() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    results: list[Result] = []
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        from ipaddress import ip_network

        prober = Prober(allow_networks=[ip_network("127.0.0.0/8")])
        runner = Runner(prober.probe, results.append)
        runner.assign([assignment(1, 100_000, url)])
        running = asyncio.create_task(runner.run())
        await until(lambda: len(results) >= 5)
        runner.stop()
        await running
        await prober.close()
    assert {result.outcome for result in results} == {Outcome.UP}
    slots = [result.slot_at_us for result in results]
    assert slots == sorted(set(slots))
    assert all(slot % 100_000 == 0 for slot in slots)
    for result in results:
        assert 0 <= result.delay_us < 100_000
        late_us = result.started_at_us - result.slot_at_us
        assert abs(late_us - result.delay_us) < 100_000


async def test_nothing_runs_without_assignments_and_they_may_come_later() -> None:
    results: list[Result] = []
    runner = Runner(SlowTarget().probe, results.append)
    running = asyncio.create_task(runner.run())
    await asyncio.sleep(0.05)
    assert results == []
    runner.assign([assignment(1)])
    await until(lambda: results, 0.9)  # sooner than the runner would have looked by itself
    runner.assign([])
    await asyncio.sleep(0.05)
    results.clear()
    await asyncio.sleep(0.1)
    assert results == []
    runner.stop()
    await running


async def test_no_more_than_the_cap_run_at_once() -> None:
    target = SlowTarget(0.05)
    runner = Runner(target.probe, lambda _: None, max_in_flight=3)
    runner.assign([assignment(number) for number in range(10)])
    running = asyncio.create_task(runner.run())
    await until(lambda: runner.missed["overloaded"] > 20)
    runner.stop()
    with capture_logs() as logs:
        await running
    assert target.most == 3
    [event] = [entry for entry in logs if entry["event"] == "slots_missed"]
    assert event["overloaded"] == runner.missed["overloaded"]


async def test_a_monitor_never_overlaps_itself() -> None:
    target = SlowTarget(0.1)
    runner = Runner(target.probe, lambda _: None)
    runner.assign([assignment(1)])
    running = asyncio.create_task(runner.run())
    await until(lambda: runner.missed["overlap"] > 5)
    runner.stop()
    await running
    assert target.most == 1


async def test_a_monitor_is_probed_at_once_when_asked_for() -> None:
    """Besides its schedule, beyond the cap, and while its own slot is being run."""
    target, results = SlowTarget(0.05), list[Result]()
    runner = Runner(target.probe, results.append, max_in_flight=1)
    runner.assign([assignment(1, 86_400_000_000)])
    running = asyncio.create_task(runner.run())
    asked_at_us = time.time_ns() // 1000 - 1_000
    runner.run_now(1, asked_at_us)
    runner.run_now(1, asked_at_us + 1)
    runner.run_now(99, asked_at_us)
    await until(lambda: len(results) == 2)
    runner.stop()
    await running
    assert [result.slot_at_us - asked_at_us for result in results] == [0, 1]
    assert all(result.is_extra for result in results)
    assert results[0].delay_us >= 1_000


async def test_stopping_waits_for_a_probe_that_was_asked_for() -> None:
    results: list[Result] = []
    runner = Runner(SlowTarget(0.2).probe, results.append)
    runner.assign([assignment(1, 86_400_000_000)])
    running = asyncio.create_task(runner.run())
    runner.run_now(1, 0)
    await asyncio.sleep(0.01)
    runner.stop()
    await running
    assert [result.is_extra for result in results] == [True]


async def test_a_full_spool_pauses_probing() -> None:
    target, results, is_ready = SlowTarget(), list[Result](), False
    runner = Runner(target.probe, results.append, is_ready=lambda: is_ready)
    runner.assign([assignment(1)])
    running = asyncio.create_task(runner.run())
    await until(lambda: runner.missed["spool_full"] > 3)
    assert results == []
    is_ready = True
    await until(lambda: results)
    runner.stop()
    await running


async def test_a_blocked_loop_is_followed_by_no_burst() -> None:
    results: list[Result] = []
    runner = Runner(SlowTarget().probe, results.append)
    runner.assign([assignment(1)])
    running = asyncio.create_task(runner.run())
    await until(lambda: results)
    before = len(results)
    time.sleep(0.5)  # noqa: ASYNC251 - this is what blocks it
    await until(lambda: len(results) > before)
    assert len(results) - before <= 3
    await until(lambda: runner.missed["overloaded"] >= 20)
    runner.stop()
    await running


async def test_stopping_waits_for_probes_in_flight() -> None:
    results: list[Result] = []
    target = SlowTarget(0.3)
    runner = Runner(target.probe, results.append)
    runner.assign([assignment(1)])
    running = asyncio.create_task(runner.run())
    await until(lambda: target.running)
    runner.stop()
    await running
    assert len(results) == 1


async def test_stopping_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "GRACE_S", 0.1)
    target = SlowTarget(60)
    runner = Runner(target.probe, lambda _: None)
    runner.assign([assignment(1)])
    running = asyncio.create_task(runner.run())
    await until(lambda: target.running)
    runner.stop()
    async with asyncio.timeout(10):
        await running
    assert target.cancelled == 1


async def test_every_slot_is_run_or_told_to_be_missed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many probes, one that overlaps itself, a blocked loop, an end in the middle."""
    monkeypatch.setattr(runner_module, "GRACE_S", 0.05)

    async def probe(monitor: Monitor, *, slot_at_us: int, delay_us: int) -> Result:
        return await SlowTarget(0.2 if monitor.id == 1 else 0.01).probe(
            monitor, slot_at_us=slot_at_us, delay_us=delay_us
        )

    results, told = list[Result](), list[Missed]()
    runner = Runner(probe, results.append, on_missed=told.append, max_in_flight=2)
    runner.assign([assignment(number) for number in range(1, 5)])
    running = asyncio.create_task(runner.run())
    await until(lambda: len(results) > 50)
    time.sleep(0.3)  # noqa: ASYNC251 - this is what blocks it
    await until(lambda: len(results) > 100)
    runner.stop()
    await running
    assert {"overload", "overlap"} <= {missed.reason.value[:8] for missed in told}
    for number in range(1, 5):
        accounted = [result.slot_at_us for result in results if result.monitor_id == number]
        for missed in told:
            if missed.monitor_id == number:
                accounted += range(missed.from_us, missed.to_us + 1, FAST_US)
        assert sorted(accounted) == list(range(min(accounted), max(accounted) + 1, FAST_US))
    assert sum(missed.slots for missed in told) == runner.missed.total()


async def test_a_target_that_finds_a_bug_costs_its_own_monitor_alone() -> None:
    results: list[Result] = []
    told: list[Missed] = []

    async def broken(monitor: Monitor, *, slot_at_us: int, delay_us: int) -> Result:
        if monitor.id == 1:
            raise ZeroDivisionError("a bug")
        return await SlowTarget().probe(monitor, slot_at_us=slot_at_us, delay_us=delay_us)

    runner = Runner(broken, results.append, on_missed=told.append)
    runner.assign([assignment(1), assignment(2)])
    with capture_logs() as logs:
        running = asyncio.create_task(runner.run())
        await until(lambda: runner.missed["agent_fault"] > 3 and len(results) > 3)
        runner.run_now(1, 1)
        await until(lambda: not runner.in_flight)
        runner.stop()
        await running
    assert {result.monitor_id for result in results} == {2}
    assert {(each.monitor_id, each.reason, each.detail) for each in told} == {
        (1, "agent_fault", "ZeroDivisionError")
    }
    assert [each["monitor_id"] for each in logs if each["event"] == "probe_fault"] == [1]


async def test_a_bug_of_the_sink_ends_the_runner() -> None:
    def broken(result: Result) -> None:
        raise ZeroDivisionError(result.monitor_id)

    runner = Runner(SlowTarget().probe, broken)
    runner.assign([assignment(1)])
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(10):
            await runner.run()
