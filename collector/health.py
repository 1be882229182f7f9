"""Whether this collector should be given agents: grpc.health.v1, for balancers.

On a listener of its own, plain and without certificates: balancers have none, and there is nothing
to be learnt from it but SERVING and NOT_SERVING.
"""

from __future__ import annotations

import asyncio

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import aio
from grpc_health.v1.health_pb2 import HealthCheckResponse

from collector.assignments import Assignments
from collector.errors import CollectorError

SERVICES = ("", "vantage.v1.Delivery", "vantage.v1.Renewal", "vantage.v1.Enrolment")
LOOK_EVERY_S = 0.5


class Health:
    """SERVING while the database answers; NOT_SERVING for good once the collector is stopping."""

    def __init__(self, assignments: Assignments) -> None:
        self.assignments = assignments
        self.servicer = aio.HealthServicer()
        self.server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        health_pb2_grpc.add_HealthServicer_to_server(self.servicer, self.server)

    async def start(self, address: str) -> None:
        """Listen at ``[HOST]:PORT``. Raises: CollectorError when the address cannot be had."""
        await self.look()
        host, _, port = address.rpartition(":")
        try:
            self.server.add_insecure_port(f"{host or '127.0.0.1'}:{port}")
        except RuntimeError as error:
            raise CollectorError(
                f"Cannot answer about health on {address}: the port is in use or the address is "
                "not this machine's. Name another with --health-listen."
            ) from error
        await self.server.start()

    async def watch(self) -> None:
        """Follow the database's coming and going for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        serving = HealthCheckResponse.SERVING
        status = serving if self.assignments.is_current else HealthCheckResponse.NOT_SERVING
        for service in SERVICES:
            await self.servicer.set(service, status)

    async def drain(self) -> None:
        await self.servicer.enter_graceful_shutdown()
