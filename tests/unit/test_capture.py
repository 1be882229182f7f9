"""What bench/capture.py takes for a packet's time: that of the first time it was sent."""

from __future__ import annotations

from bench.capture import _Flow


def test_what_is_sent_again_is_no_news() -> None:
    flow = _Flow()
    assert flow.is_news(True, 1_000, 100)
    assert not flow.is_news(True, 1_000, 100)
    assert flow.is_news(True, 1_100, 50)
    # One that was sent again together with more.
    assert flow.is_news(True, 1_100, 60)
    # The other direction counts by itself.
    assert flow.is_news(False, 1_000, 100)


def test_sequence_numbers_begin_anew() -> None:
    flow = _Flow()
    assert flow.is_news(True, 0xFFFFFFF0, 32)
    assert flow.is_news(True, 0x10, 5)
    assert not flow.is_news(True, 0xFFFFFFF0, 32)
