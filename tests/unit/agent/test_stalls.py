"""What a thread cannot have seen, by the kernel's own account of this very thread."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from time import monotonic_ns, sleep, thread_time_ns

import pytest

from agent.stalls import Stalls

SPELL_NS = 20_000_000


@pytest.fixture
def stalls() -> Iterator[Stalls]:
    stalls = Stalls()
    stalls.looked(monotonic_ns())
    yield stalls
    stalls.close()


def compute(for_ns: int) -> None:
    """Use the processor for so long, however long that takes."""
    until = thread_time_ns() + for_ns
    while thread_time_ns() < until:
        pass


def test_asleep_it_would_have_been_woken(stalls: Stalls) -> None:
    for _ in range(100):
        sleep(SPELL_NS / 1e9)
        # What is left is waking up, and being kept from it by others.
        if stalls.looked(monotonic_ns()) < SPELL_NS / 2:
            return
    pytest.fail("asleep a hundred times, and each time it counted half of it and more as missed")


def test_what_it_computed_it_could_not_see(stalls: Stalls) -> None:
    compute(SPELL_NS)
    assert stalls.looked(monotonic_ns()) >= SPELL_NS


def test_no_more_than_has_passed(stalls: Stalls) -> None:
    began_ns = monotonic_ns()
    compute(SPELL_NS)
    stalls.looked(began_ns)
    # What it computed before it looked last is not counted again.
    assert stalls.looked(began_ns + 500_000) == 500_000
    assert stalls.looked(began_ns + 500_000 + 2_000_000) <= 2_000_000


def test_a_processor_it_had_to_wait_for(stalls: Stalls) -> None:
    """Two programs that compute share one processor by turns: each waits for the other."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    beside = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        began_ns, kept_ns = monotonic_ns(), 0
        while kept_ns < SPELL_NS and monotonic_ns() - began_ns < 20_000_000_000:
            looked_ns = monotonic_ns()
            stalls.looked(looked_ns)
            compute(SPELL_NS)
            unseen_ns = stalls.looked(monotonic_ns())
            kept_ns += unseen_ns - SPELL_NS
    finally:
        beside.kill()
        beside.wait()
        os.sched_setaffinity(0, before)
    assert kept_ns >= SPELL_NS


def test_an_action_that_took_longer_than_it_computed_was_kept_from_it(stalls: Stalls) -> None:
    stalls.awake()  # what the test's own making took is not the action's
    began_ns = monotonic_ns()
    compute(SPELL_NS)
    sleep(SPELL_NS / 1e9)
    passed_ns = monotonic_ns() - began_ns
    # To return from sleep takes a moment of the processor.
    assert 0.8 * SPELL_NS <= stalls.acted(passed_ns) <= passed_ns - SPELL_NS


def test_a_short_action_is_not_asked_about(stalls: Stalls) -> None:
    sleep(SPELL_NS / 1e9)
    assert stalls.acted(999_999) == 0


def test_without_the_kernels_account_what_is_computed_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> int:
        raise FileNotFoundError

    monkeypatch.setattr(os, "open", refuse)
    stalls = Stalls()
    stalls.looked(monotonic_ns())
    compute(SPELL_NS)
    assert stalls.awake() >= SPELL_NS
    stalls.close()
