"""How far this machine's clock is from the collector's, learnt from heartbeats and their replies.

Four instants a heartbeat, as in NTP (RFC 5905, section 8), except that the agent's two are by its
monotonic clock, which nobody sets: a wall clock that is stepped shows in the next reading at once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from agent.schedule import Clock, SystemClock

# The quickest of the last few is the most exact; older ones drift away with the machine's crystal.
SAMPLES = 8
DRIFT_PPM = 100


@dataclass(frozen=True, slots=True)
class Reading:
    """Microseconds: ahead of the collector's clock (negative: behind), give or take."""

    offset_us: int
    uncertainty_us: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One exchange: at ``at_us`` of the monotonic clock the collector's was ``ahead_us`` more."""

    at_us: int
    ahead_us: int
    half_trip_us: int

    def uncertainty_us(self, now_us: int) -> int:
        """The collector read its clocks some time during the trip; then crystals drifted."""
        return self.half_trip_us + (now_us - self.at_us) * DRIFT_PPM // 1_000_000 + 1


class ClockComparison:
    """One connection's view of the two clocks."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._sent: tuple[int, int] = (0, 0)
        self._samples: deque[Sample] = deque(maxlen=SAMPLES)

    def ask(self) -> int:
        """Begin an exchange; return its number."""
        self._sent = self._sent[0] + 1, self._clock.monotonic_us()
        return self._sent[0]

    def answer(self, number: int, received_at_us: int, replied_at_us: int) -> None:
        """End the exchange that was begun last; the answer to another comes too late to count."""
        asked, sent_us = self._sent
        now_us = self._clock.monotonic_us()
        trip_us = now_us - sent_us - (replied_at_us - received_at_us)
        # A collector whose clock was set in between says nothing that can be used.
        if number != asked or trip_us < 0 or replied_at_us < received_at_us:
            return
        ahead_us = (received_at_us + replied_at_us - sent_us - now_us) // 2
        self._samples.append(Sample(now_us, ahead_us, trip_us // 2))

    def reading(self) -> Reading | None:
        """Compare the clocks as they stand now; None: nothing was answered yet."""
        if not self._samples:
            return None
        now_us = self._clock.monotonic_us()
        best = min(self._samples, key=lambda sample: sample.uncertainty_us(now_us))
        offset_us = self._clock.wall_us() - now_us - best.ahead_us
        return Reading(offset_us, best.uncertainty_us(now_us))
