"""The collector's clock, and what an agent says of its own: whether that is too far off."""

from __future__ import annotations

import time
from dataclasses import dataclass

import grpc
import structlog

from vantage.v1 import clock_pb2, clock_pb2_grpc
from vantage.v1.delivery_pb2 import Heartbeat

# Offsets are int64 on the wire; beyond a century they are nonsense, and no interval can hold them.
SANE_US = 100 * 365 * 86_400 * 1_000_000

log = structlog.get_logger()


def now_us() -> int:
    """Microseconds after the epoch, by this machine's clock."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class Reading:
    """What a heartbeat says of the agent's clock. None: nothing."""

    offset_us: int | None = None
    uncertainty_us: int | None = None
    is_off: bool | None = None
    is_first: bool = False


class AgentClock:
    """One stream's agent: ``is_off``, its clock is off by more than the bound; None: not known."""

    def __init__(self, bound_us: int) -> None:
        self.bound_us = bound_us
        self.is_off: bool | None = None

    def note(self, heartbeat: Heartbeat) -> Reading:
        """Read what a heartbeat says, if that can be."""
        offset_us, uncertainty_us = heartbeat.clock_offset_us, heartbeat.clock_uncertainty_us
        is_known = (
            heartbeat.HasField("clock_offset_us")
            and abs(offset_us) <= SANE_US
            and 0 <= uncertainty_us <= SANE_US
        )
        if not is_known:
            return Reading()
        is_first = self.is_off is None
        self.judge(offset_us, uncertainty_us)
        return Reading(offset_us, uncertainty_us, self.is_off, is_first)

    def judge(self, offset_us: int, uncertainty_us: int) -> None:
        """Off is what is off for certain; says so once."""
        is_off = abs(offset_us) - uncertainty_us > self.bound_us
        if is_off and not self.is_off:
            log.warning(
                "agent_clock_off",
                offset_us=offset_us,
                uncertainty_us=uncertainty_us,
                bound_us=self.bound_us,
                remedy="Set the clock of the agent's machine, by NTP for example.",
            )
        self.is_off = is_off


class Clock(clock_pb2_grpc.ClockServicer):
    """Tells whoever asks what time it is here, such as `vantage-agent doctor`."""

    async def Read(
        self,
        request: clock_pb2.ReadRequest,
        context: grpc.aio.ServicerContext[clock_pb2.ReadRequest, clock_pb2.Reading],
    ) -> clock_pb2.Reading:
        received_at_us = now_us()
        return clock_pb2.Reading(received_at_us=received_at_us, replied_at_us=now_us())
