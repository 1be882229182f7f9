"""One result and what belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RecentRow:
    """A result in a list."""

    slot_at: datetime
    location: str
    outcome: str
    failure: str | None
    http_status: int | None
    total_us: int
    suspect: bool
    is_extra: bool


@dataclass(slots=True)  # frozen ones take five times as long to make
class Result:
    """One measurement; phases sum exactly to the total. docs/failures.md explains failures."""

    slot_at: datetime
    location: str
    outcome: str
    failure: str | None
    detail: str | None
    http_status: int | None
    http_version: str | None
    total_us: int
    redirect_us: int
    dns_us: int | None
    connect_us: int | None
    tls_us: int | None
    send_us: int | None
    wait_us: int | None
    receive_us: int | None
    header_bytes: int
    body_bytes: int
    redirects: int
    target_ip: str | None
    cert_expires_at: datetime | None
    suspect: bool
    is_extra: bool


@dataclass(frozen=True, slots=True)
class Requested:
    """One request of a result, whatever its ``role``: ``hop``, ``resource`` and ``pair`` as in
    vantage.exchanges; ``last``: what the redirects led to. ``start_us``: since the result began.
    """

    role: str
    hop: int
    resource: str | None
    url: str
    outcome: str | None
    failure: str | None
    detail: str | None
    http_status: int | None
    http_version: str | None
    header_bytes: int
    body_bytes: int
    target_ip: str | None
    target_port: int
    start_us: int | None
    total_us: int
    dns_us: int | None
    connect_us: int | None
    tls_us: int | None
    send_us: int | None
    wait_us: int | None
    receive_us: int | None


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One result; the columns are explained in vantage.results.

    ``agent_name`` None: who reads it runs no agents, or the agent is shut out.
    """

    slot_at: datetime
    started_at: datetime
    received_at: datetime
    location: str
    outcome: str
    failure: str | None
    detail: str | None
    failed_phase: str | None
    http_status: int | None
    http_version: str | None
    header_bytes: int
    body_bytes: int
    total_us: int
    redirect_us: int
    dns_us: int | None
    connect_us: int | None
    tls_us: int | None
    send_us: int | None
    wait_us: int | None
    receive_us: int | None
    resources_us: int | None
    delay_us: int
    lag_us: int
    rtt_us: int | None
    redirects: int
    suspect: bool
    url: str | None
    target_ip: str | None
    target_port: int
    local_ip: str | None
    cert_expires_at: datetime | None
    agent_id: str
    pings_sent: int | None
    pings_received: int | None
    ping_min_us: int | None
    ping_max_us: int | None
    answer: str | None
    agent_name: str | None
    previous_at: datetime | None
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class SameSlot:
    """The same round's result at another location."""

    location: str
    title: str
    slot_at: datetime
    outcome: str
    failure: str | None
    http_status: int | None
    total_us: int
