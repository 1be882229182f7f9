"""Two clocks held against each other over a network that takes its time."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from agent.clock import SAMPLES, ClockComparison, Reading

HOUR_US = 3_600_000_000


@dataclass
class TestClock:
    """``true_us`` is the collector's time; the agent's wall clock is ``ahead_us`` of it."""

    __test__ = False

    true_us: int = 1_700_000_000_000_000
    ahead_us: int = 0

    def wall_us(self) -> int:
        return self.true_us + self.ahead_us

    def monotonic_us(self) -> int:
        return self.true_us - 1_600_000_000_000_000


def exchange(clock: TestClock, comparison: ClockComparison, up: int, think: int, down: int) -> None:
    number = comparison.ask()
    clock.true_us += up
    received_at_us = clock.true_us
    clock.true_us += think
    replied_at_us = clock.true_us
    clock.true_us += down
    comparison.answer(number, received_at_us, replied_at_us)


def test_nothing_is_known_before_the_first_answer() -> None:
    comparison = ClockComparison()
    assert comparison.reading() is None
    comparison.ask()
    assert comparison.reading() is None


def test_an_even_path_tells_the_exact_offset() -> None:
    clock = TestClock(ahead_us=250_000)
    comparison = ClockComparison(clock)
    exchange(clock, comparison, up=20_000, think=3_000, down=20_000)
    assert comparison.reading() == Reading(250_000, 20_001)


trips = st.integers(0, 5_000_000)


@given(
    ahead_us=st.integers(-HOUR_US, HOUR_US),
    exchanges=st.lists(st.tuples(trips, trips, trips), min_size=1, max_size=2 * SAMPLES),
    idle_us=st.integers(0, HOUR_US),
)
def test_the_true_offset_is_always_within_the_uncertainty(
    ahead_us: int, exchanges: list[tuple[int, int, int]], idle_us: int
) -> None:
    clock = TestClock(ahead_us=ahead_us)
    comparison = ClockComparison(clock)
    for up, think, down in exchanges:
        exchange(clock, comparison, up, think, down)
    clock.true_us += idle_us
    reading = comparison.reading()
    assert reading is not None
    assert abs(reading.offset_us - ahead_us) <= reading.uncertainty_us
    quickest = min((up + down) // 2 for up, _, down in exchanges[-SAMPLES:])
    age_us = sum(sum(trip) for trip in exchanges[-SAMPLES:]) + idle_us
    assert reading.uncertainty_us <= quickest + age_us // 10_000 + 1


def test_a_step_of_the_wall_clock_shows_at_once() -> None:
    clock = TestClock()
    comparison = ClockComparison(clock)
    exchange(clock, comparison, up=1_000, think=0, down=1_000)
    clock.ahead_us = HOUR_US
    assert comparison.reading() == Reading(HOUR_US, 1_001)


def test_a_late_answer_and_a_collector_whose_clock_was_set_do_not_count() -> None:
    clock = TestClock()
    comparison = ClockComparison(clock)
    first = comparison.ask()
    comparison.ask()
    comparison.answer(first, clock.true_us, clock.true_us)
    second = comparison.ask()
    comparison.answer(second, clock.true_us + 10, clock.true_us)
    third = comparison.ask()
    comparison.answer(third, clock.true_us, clock.true_us + 10)
    assert comparison.reading() is None
