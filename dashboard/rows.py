"""One dataclass per shape of row that the statements of sql/*.sql give back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

ENCRYPTED = ("https", "wss", "tls", "smtps", "imaps", "pop3s", "ftps", "mqtts")


@dataclass(frozen=True, slots=True)
class Monitor:
    """What is watched. ``slow_us`` None: no limit."""

    id: int
    name: str
    url: str
    interval_s: int
    timeout_us: int
    slow_us: int | None
    created_at: datetime

    @property
    def scheme(self) -> str:
        """The URL's, such as ``https``."""
        return self.url.partition(":")[0].lower()

    @property
    def is_http(self) -> bool:
        """Whether results have an HTTP status: WebSockets have, too."""
        return self.scheme in ("http", "https", "ws", "wss")

    @property
    def is_encrypted(self) -> bool:
        """Whether there is a certificate to be seen."""
        return self.scheme in ENCRYPTED


@dataclass(frozen=True, slots=True)
class Place:
    """A location. ``last_seen_at`` None: none of its agents ever connected."""

    name: str
    title: str
    last_seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a monitor stands at a location; the newest result's values, None: there is none."""

    monitor_id: int
    location: str
    title: str
    state: str
    slot_at: datetime | None
    failure: str | None
    http_status: int | None
    total_us: int | None


@dataclass(frozen=True, slots=True)
class History:
    """A location's first result, and since when it has been down. None: it is not."""

    monitor_id: int
    location: str
    first_slot_at: datetime
    failing_since_at: datetime | None


@dataclass(frozen=True, slots=True)
class LocationStanding:
    """A `Standing` of one known monitor, with what its page needs besides.

    ``due``: slots that should have a result in the page's span, counted from the first ever.
    """

    location: str
    title: str
    state: str
    slot_at: datetime | None
    failure: str | None
    http_status: int | None
    total_us: int | None
    cert_expires_at: datetime | None
    failing_since_at: datetime | None
    first_slot_at: datetime | None
    last_seen_at: datetime | None
    due: int


@dataclass(frozen=True, slots=True)
class DayStats:
    """A day's figures of a monitor; ``location`` None: of all its locations together."""

    monitor_id: int
    location: str | None
    checks: int
    passed: int
    median_us: int | None
    p95_us: int | None


@dataclass(frozen=True, slots=True)
class StripRow:
    """What happened to a monitor in one bucket, at all its locations."""

    monitor_id: int
    bucket_at: datetime
    checks: int
    failed: int
    slow: int


@dataclass(frozen=True, slots=True)
class SpanStats:
    """A span's figures. ``location`` None: of all locations shown, or of all that are not.

    ``is_shown`` None: it is one location's. ``settled``: checks no longer young.
    """

    location: str | None
    is_shown: bool | None
    checks: int
    passed: int
    settled: int
    median_us: int | None
    p95_us: int | None


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """A bucket's median passed result; where none passed, its first failed one."""

    location: str
    bucket_at: datetime
    checks: int
    failed: int
    failed_slot_at: datetime | None
    slot_at: datetime
    total_us: int
    redirect_us: int
    dns_us: int | None
    connect_us: int | None
    tls_us: int | None
    wait_us: int | None
    receive_us: int | None
    resources_us: int | None


@dataclass(frozen=True, slots=True)
class HeatRow:
    """A bucket at a location; ``median_us`` None: nothing passed."""

    location: str
    bucket_at: datetime
    checks: int
    failed: int
    median_us: int | None


@dataclass(frozen=True, slots=True)
class BandRow:
    """A bucket of all shown locations; its percentiles are None where nothing passed."""

    bucket_at: datetime
    checks: int
    p50_us: int | None
    p75_us: int | None
    p95_us: int | None
    p99_us: int | None


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


@dataclass(frozen=True, slots=True)
class Asked:
    """When a result was asked for. None: it was not, there is no such monitor."""

    requested_at: datetime | None


@dataclass(frozen=True, slots=True)
class Answered:
    """A location that did what was asked for."""

    location: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Hop:
    """One redirect; phases in microseconds, None: not reached or not needed."""

    hop: int
    url: str
    http_status: int | None
    http_version: str | None
    header_bytes: int
    body_bytes: int
    total_us: int
    dns_us: int | None
    connect_us: int | None
    tls_us: int | None
    send_us: int | None
    wait_us: int | None
    receive_us: int | None
    target_ip: str | None
    target_port: int


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that a page asked for; its columns are explained in vantage.exchanges."""

    url: str
    resource: str
    http_status: int | None
    http_version: str | None
    body_bytes: int
    start_us: int
    total_us: int
    dns_us: int | None
    connect_us: int | None
    tls_us: int | None
    send_us: int | None
    wait_us: int | None
    receive_us: int | None
    failure: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class PairRow:
    """One exchange over the other IP family; the last one tells what became of that run.

    ``start_us``: counted from the result's start.
    """

    http_status: int | None
    start_us: int | None
    total_us: int
    dns_us: int | None
    connect_us: int | None
    tls_us: int | None
    send_us: int | None
    wait_us: int | None
    receive_us: int | None
    target_ip: str | None
    outcome: str | None
    failure: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One result; the columns are explained in vantage.results."""

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
    previous_at: datetime | None
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that targets showed, with version of TLS and cipher; None: cannot be read.

    ``chain``: every certificate shown, its own first, as objects of report.certificates.
    ``expires_at``: the earliest end in the chain. ``locations``: the titles of those that saw it.
    """

    sha256: str
    subject: str | None
    issuer: str | None
    names: list[str] | None
    serial: str | None
    key: str | None
    signature: str | None
    not_before: datetime | None
    not_after: datetime | None
    expires_at: datetime | None
    tls_version: str | None
    tls_cipher: str | None
    chain: list[dict[str, str | None]]
    first_seen_at: datetime
    last_seen_at: datetime
    locations: list[str]


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


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """What a password is verified against. None: there is no password."""

    password_hash: str | None


@dataclass(frozen=True, slots=True)
class Member:
    """One of the account's people."""

    id: int
    name: str
    email: str
    role: str
    is_operator: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Invitation:
    """Who was asked to join."""

    id: int
    email: str
    role: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """Where somebody is signed in. ``browser`` None: not known. ``last_used_at`` None: not since
    it began."""

    id: int
    kind: str
    browser: str | None
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What a program signs in with. ``expires_at`` None: never; ``last_used_at`` None: never."""

    id: int
    name: str
    hint: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    made_by: str


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What somebody did. ``detail`` None: nothing to add."""

    id: int
    at: datetime
    actor: str
    action: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class Agent:
    """Who probes from a location. Microseconds; None: it never connected."""

    id: str
    location: str
    name: str
    version: str | None
    last_seen_at: datetime | None
    certificate_expires_at: datetime
    backlog: int | None
    clock_offset_us: int | None
    clock_uncertainty_us: int | None
    is_clock_off: bool
    is_online: bool
    missed_slots: int

    @property
    def state(self) -> str:
        """The shape and colour of `word`."""
        if not self.is_online:
            return "missing"
        return "slow" if self.is_clock_off else "up"

    @property
    def word(self) -> str:
        """How it is."""
        return {"missing": "Silent", "slow": "Clock off", "up": "Online"}[self.state]


@dataclass(frozen=True, slots=True)
class StatusPage:
    """A page that anybody may read."""

    id: int
    slug: str
    title: str
    monitor_ids: list[int]
