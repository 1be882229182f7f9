from __future__ import annotations

from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.phases import Marks, last_phase, phases
from agent.result import Phases

anything = st.integers(min_value=0, max_value=60_000_000)


def test_all_phases_of_a_tls_exchange() -> None:
    marks = Marks(connected=20, secured=50, sent=55, first_byte=95, total=100)
    assert phases(marks, dns_us=7, is_tls=True) == Phases(7, 20, 30, 5, 40, 5)


def test_plain_http_has_no_tls_phase() -> None:
    marks = Marks(connected=20, secured=0, sent=25, first_byte=95, total=100)
    assert phases(marks, dns_us=None, is_tls=False) == Phases(None, 20, None, 5, 70, 5)


@pytest.mark.parametrize(
    ("marks", "expected", "failed_in"),
    [
        # A refused connection: libcurl's placeholder makes the first byte come with the end.
        (Marks(0, 0, 0, 90, 90), Phases(1, 90), "connect"),
        (Marks(20, 0, 0, 90, 90), Phases(1, 20, 70), "tls"),
        (Marks(20, 30, 0, 90, 90), Phases(1, 20, 10, 60), "send"),
        (Marks(20, 30, 31, 0, 90), Phases(1, 20, 10, 1, 59), "wait"),
        (Marks(20, 30, 31, 40, 90), Phases(1, 20, 10, 1, 9, 50), "receive"),
    ],
)
def test_the_first_zero_mark_ends_the_split(marks: Marks, expected: Phases, failed_in: str) -> None:
    split = phases(marks, dns_us=1, is_tls=True)
    assert split == expected
    assert last_phase(split) == failed_in


def test_an_early_answer_took_no_time_to_wait_for() -> None:
    marks = Marks(connected=20, secured=0, sent=60, first_byte=50, total=100)
    assert phases(marks, dns_us=None, is_tls=False) == Phases(None, 20, None, 40, 0, 40)


def test_nothing_reached_is_no_phase() -> None:
    assert last_phase(Phases()) == ""
    assert last_phase(Phases(dns_us=0)) == "dns"


@given(
    marks=st.builds(Marks, anything, anything, anything, anything, anything),
    dns_us=st.none() | anything,
    is_tls=st.booleans(),
)
def test_whatever_the_marks_the_sum_is_exact(
    marks: Marks, dns_us: int | None, is_tls: bool
) -> None:
    split = astuple(phases(marks, dns_us=dns_us, is_tls=is_tls))
    assert sum(us or 0 for us in split) == (dns_us or 0) + marks.total
    assert all(us is None or us >= 0 for us in split)
    reached = [us is not None for us in (split[1], *([split[2]] if is_tls else []), *split[3:])]
    assert reached == sorted(reached, reverse=True)
