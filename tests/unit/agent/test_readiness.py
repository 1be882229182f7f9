"""What the agent held up is taken out of the phase it was in, and the phases still sum exactly."""

from __future__ import annotations

from dataclasses import astuple

from hypothesis import given
from hypothesis import strategies as st

from agent.phases import Marks, phases
from agent.readiness import Waits, unwaited
from agent.result import Phases

MARKS = Marks(connected=1_000, secured=3_000, sent=3_100, first_byte=8_000, total=9_000)


def split(waits: Waits) -> Phases:
    return phases(unwaited(MARKS, waits), dns_us=None, is_tls=True)


def test_without_waits_nothing_changes() -> None:
    assert unwaited(MARKS, Waits()) == MARKS


def test_each_wait_shortens_its_own_phase_alone() -> None:
    assert astuple(split(Waits())) == (None, 1_000, 2_000, 100, 4_900, 1_000)
    assert astuple(split(Waits(connected=300))) == (None, 700, 2_000, 100, 4_900, 1_000)
    assert astuple(split(Waits(secured=300))) == (None, 1_000, 1_700, 100, 4_900, 1_000)
    # The last byte came when it came: what the first one waited is the response's own time.
    assert astuple(split(Waits(first_byte=300))) == (None, 1_000, 2_000, 100, 4_600, 1_300)
    assert astuple(split(Waits(total=300))) == (None, 1_000, 2_000, 100, 4_900, 700)


def test_what_held_up_the_peer_leaves_the_total() -> None:
    assert unwaited(MARKS, Waits(connected=300, secured=200)).total == 8_500
    assert unwaited(MARKS, Waits(first_byte=300)).total == 9_000


def test_http_has_no_handshake() -> None:
    marks = Marks(connected=1_000, secured=0, sent=1_100, first_byte=2_000, total=2_500)
    assert unwaited(marks, Waits(connected=400)).secured == 0


def test_a_connection_never_becomes_one_that_was_not_made() -> None:
    assert unwaited(MARKS, Waits(connected=1_000)).connected == 1


def test_nothing_is_answered_before_there_is_a_connection() -> None:
    """A thread that was stopped for 160 us before it looked at the clock takes these for a wait."""
    marks = Marks(connected=6_000, secured=0, sent=6_010, first_byte=6_500, total=6_510)
    after = unwaited(marks, Waits(connected=5_989, first_byte=650, total=670))
    assert astuple(phases(after, dns_us=None, is_tls=False)) == (None, 11, None, 0, 0, 0)


durations = st.integers(0, 10**7)


@given(
    steps=st.lists(durations, min_size=5, max_size=5), shares=st.lists(st.floats(0, 1), min_size=4)
)
def test_phases_sum_to_the_total_and_none_grows_but_the_response(
    steps: list[int], shares: list[float]
) -> None:
    reached = [sum(steps[: n + 1]) + 1 for n in range(5)]
    marks = Marks(*reached)
    connected, secured, first_byte, total = (
        int(share * step)
        for share, step in zip(shares, (steps[0], steps[1], steps[3], steps[4]), strict=False)
    )
    after = unwaited(marks, Waits(connected, secured, first_byte, total))
    split = phases(after, dns_us=None, is_tls=True)
    before = phases(marks, dns_us=None, is_tls=True)
    assert sum(us or 0 for us in astuple(split)) == after.total <= marks.total
    assert all(us is None or us >= 0 for us in astuple(split))
    for name in ("connect_us", "tls_us", "send_us", "wait_us"):
        assert getattr(split, name) <= getattr(before, name)


def test_no_connection_is_made_sooner_than_its_round_trip() -> None:
    """libcurl may have seen it established, and marked it, before its event had its turn."""
    late = unwaited(MARKS, Waits(connected=900), 700)
    assert late.connected == 700
    assert late.total == MARKS.total - 300
