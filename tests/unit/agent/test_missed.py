from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from agent.missed import HOLD_US, Ledger, Missed, Reason

SECOND = 1_000_000
REASONS = st.sampled_from([Reason.OVERLOADED, Reason.OVERLAP])


def slot(second: int, reason: Reason = Reason.OVERLOADED, monitor_id: int = 1) -> Missed:
    at_us = second * SECOND
    return Missed.between(monitor_id, at_us, at_us, SECOND, reason)


def test_neighbours_become_one() -> None:
    ledger = Ledger()
    for second in (3, 4, 5):
        ledger.add(slot(second), now_us=second * SECOND)
    assert ledger.take(6 * SECOND) == []
    ledger.ran(1)
    [missed] = ledger.take(6 * SECOND)
    assert (missed.from_us, missed.to_us, missed.slots) == (3 * SECOND, 5 * SECOND, 3)
    assert ledger.take() == []


def test_a_run_of_missed_slots_is_told_after_a_while_though_it_goes_on() -> None:
    ledger = Ledger()
    for second in range(200):
        ledger.add(slot(second), now_us=second * SECOND)
    told = ledger.take(199 * SECOND)
    assert [missed.slots for missed in told] == [200]
    ledger.add(slot(200), now_us=200 * SECOND)
    assert ledger.take(200 * SECOND + HOLD_US - 1) == []
    assert len(ledger.take(200 * SECOND + HOLD_US)) == 1


def test_an_agent_that_runs_nothing_tells_once_a_minute_and_monitor() -> None:
    ledger = Ledger()
    told = 0
    for second in range(600):
        for monitor_id in range(100):
            ledger.add(slot(second, monitor_id=monitor_id), now_us=second * SECOND)
        told += len(ledger.take(second * SECOND))
    assert told <= 100 * 10


def test_a_monitor_that_misses_for_ever_other_reasons_holds_up_no_other() -> None:
    ledger = Ledger()
    reasons = (Reason.OVERLOADED, Reason.OVERLAP)
    for second in range(61):
        ledger.add(slot(second, reasons[second % 2]), now_us=second * SECOND)
        ledger.add(slot(second, monitor_id=2), now_us=second * SECOND)
    assert [each.slots for each in ledger.take(60 * SECOND) if each.monitor_id == 2] == [61]


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from("mrt"), REASONS), max_size=80))
def test_every_missed_slot_is_told_once_with_its_reason(
    steps: list[tuple[int, str, Reason]],
) -> None:
    """Each step is one second: a monitor misses its slot, runs it, or what is ripe is taken."""
    ledger = Ledger()
    missed: Counter[tuple[int, int, Reason]] = Counter()
    told: list[Missed] = []
    for second, (monitor_id, what, reason) in enumerate(steps):
        if what == "m":
            ledger.add(slot(second, reason, monitor_id), now_us=second * 20 * SECOND)
            missed[monitor_id, second * SECOND, reason] += 1
        elif what == "r":
            ledger.ran(monitor_id)
        else:
            told += ledger.take(second * 20 * SECOND)
    told += ledger.take()
    accounted = Counter(
        (each.monitor_id, at_us, each.reason)
        for each in told
        for at_us in range(each.from_us, each.to_us + 1, SECOND)
    )
    assert accounted == missed
