"""gRPC channels to a collector, and what their errors mean.

The authority is this installation's own and issues only collectors' and agents' certificates, so
one fixed name stands for every collector: any address or load balancer will do.
"""

from __future__ import annotations

import grpc
import grpc.aio

from agent.errors import AgentError, FatalError, TransientError
from agent.home import Credentials

# In the certificate of every collector, whatever its address.
COLLECTOR_NAME = "collector.vantage.internal"

_OPTIONS = (
    ("grpc.ssl_target_name_override", COLLECTOR_NAME),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # What comes is small, and asking how much would be best takes a quarter of its processor time.
    ("grpc.http2.bdp_probe", 0),
    # A new channel connects at once, whatever an earlier one to the same address went through.
    ("grpc.use_local_subchannel_pool", 1),
    # The environment's proxies are meant for browsing, not for a mutual TLS stream.
    ("grpc.enable_http_proxy", 0),
)

_FATAL = {
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.FAILED_PRECONDITION,
}


def open_channel(collector: str, credentials: Credentials) -> grpc.aio.Channel:
    """Return a channel to ``collector`` (host:port) that connects when it is first used."""
    return grpc.aio.secure_channel(
        collector,
        grpc.ssl_channel_credentials(
            credentials.authority, credentials.key, credentials.certificate
        ),
        options=_OPTIONS,
    )


def explain(error: grpc.aio.AioRpcError, collector: str) -> AgentError:
    """Say what a failed call means, and whether trying again can help."""
    code, details = error.code(), error.details() or "no details"
    if code in _FATAL:
        return FatalError(f"The collector at {collector} refuses this agent: {details}")
    if code is grpc.StatusCode.UNAVAILABLE:
        return TransientError(f"Cannot reach the collector at {collector}: {details}")
    return TransientError(f"The collector at {collector} failed ({code.name}): {details}")
