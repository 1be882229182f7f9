"""The collector's clock, and what an agent says of its own: whether that is too far off."""

from __future__ import annotations

import time
from typing import Any

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


class AgentClock:
    """One stream's agent: ``is_off``, its clock is off by more than the bound; None: not known."""

    def __init__(self, bound_us: int) -> None:
        self.bound_us = bound_us
        self.is_off: bool | None = None

    def note(self, heartbeat: Heartbeat) -> dict[str, Any]:
        """Return what the statement ``heartbeat`` stores of the agent's clock."""
        offset_us, uncertainty_us = heartbeat.clock_offset_us, heartbeat.clock_uncertainty_us
        is_known = (
            heartbeat.HasField("clock_offset_us")
            and abs(offset_us) <= SANE_US
            and 0 <= uncertainty_us <= SANE_US
        )
        is_first = is_known and self.is_off is None
        if is_known:
            self.judge(offset_us, uncertainty_us)
        return {
            "clock_offset_us": offset_us if is_known else None,
            "clock_uncertainty_us": uncertainty_us if is_known else None,
            "is_clock_off": self.is_off if is_known else None,
            "is_first_reading": is_first,
        }

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
