"""How much an agent sends before it hears that it is stored."""

from __future__ import annotations

from agent.window import FIRST, LEAST, Window


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def deliver(window: Window, clock: Clock, *, took_s: float, times: int = 1, first: int = 1) -> None:
    for seq in range(first, first + times):
        window.sent(seq)
        clock.now += took_s
        window.acked(seq)


def test_it_opens_while_answers_come_soon_and_no_further_than_it_may() -> None:
    clock = Clock()
    window = Window(4_000, 15.0, clock)
    assert window.results == FIRST
    deliver(window, clock, took_s=0.1)
    assert window.results == 2 * FIRST
    deliver(window, clock, took_s=0.1, times=10, first=2)
    assert window.results == 4_000


def test_it_closes_while_they_come_late_and_never_wholly() -> None:
    clock = Clock()
    window = Window(4_000, 15.0, clock)
    deliver(window, clock, took_s=0.1, times=10)
    deliver(window, clock, took_s=8.0, first=11)
    assert window.results == 2_000
    deliver(window, clock, took_s=8.0, times=20, first=12)
    assert window.results == LEAST


def test_what_was_under_way_already_says_nothing_of_the_window_now() -> None:
    clock = Clock()
    window = Window(4_000, 15.0, clock)
    for seq in (1, 2, 3, 4):  # all sent at once
        window.sent(seq)
    clock.now = 8.0
    for seq in (1, 2, 3, 4):
        window.acked(seq)
    assert window.results == FIRST // 2


def test_one_of_few_results_stays_within_them() -> None:
    clock = Clock()
    window = Window(40, 15.0, clock)
    assert window.results == 40
    deliver(window, clock, took_s=8.0)
    assert window.results == 40
