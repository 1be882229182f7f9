"""What the agent measures and what it finds: plain values, no input or output.

What is made anew for every probe is not frozen, though nothing changes it once it is made: a
frozen dataclass takes five times as long to make, which was an eighth of all a probe costs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """Judgement of one result."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"


class Role(StrEnum):
    """What an exchange is to its result.

    A hop is a step on the way of redirects; a pair was made over the other IP family at the same
    time; a resource is part of the page that the document asks for.
    """

    HOP = "hop"
    PAIR = "pair"
    RESOURCE = "resource"


@dataclass(slots=True)
class Phases:
    """How an exchange's time was spent, in microseconds.

    None: not reached, or does not apply; 0: measured zero. The last phase that is not None is
    where a failed exchange failed.
    """

    dns_us: int | None = None
    connect_us: int | None = None
    tls_us: int | None = None
    send_us: int | None = None
    wait_us: int | None = None
    receive_us: int | None = None


@dataclass(frozen=True, slots=True)
class Proxy:
    """What a request goes through; ``url``: http, https or socks5h, host and port."""

    url: str
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a server, and on which terms.

    ``headers``: (name, value), sent as they are. ``http_version``: "1.1", "2" or "3", and no
    other is spoken; empty: what both sides agree on. ``is_insecure``: the certificate is not
    verified. ``is_uncompressed``: no compressed body is asked for. ``secret_headers``: sent like
    headers, and shown nowhere. ``client_certificate``, ``client_key``, ``authority``: PEM; the last
    is trusted instead of all others. ``phase_timeouts``: how long each phase of an exchange may
    take.
    """

    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    http_version: str = ""
    is_insecure: bool = False
    is_uncompressed: bool = False
    secret_headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    client_certificate: bytes = b""
    client_key: bytes = field(default=b"", repr=False)
    authority: bytes = b""
    proxy: Proxy | None = None
    phase_timeouts: Phases | None = None


@dataclass(frozen=True, slots=True)
class Assertion:
    """One thing that must be true of a response; docs/monitors.md explains every kind.

    ``name``: the header, JSON path or phase it is about. ``at_least``, ``at_most``: bounds, both
    inclusive, in bytes, days or microseconds as the kind says; None: no bound. ``degrades``: not
    met, the result is degraded and not down.
    """

    kind: str
    name: str = ""
    expected: str = ""
    at_least: int | None = None
    at_most: int | None = None
    degrades: bool = False


@dataclass(frozen=True, slots=True)
class Monitor:
    """What a customer configured, as far as a probe needs it.

    ``slow_us``: an up result slower than this is degraded; None: never.
    ``max_redirects``: 0 follows none, and a redirect's own status is judged. ``ip_version``: 4 or
    6, the only family that is looked up and connected to; 0: any. ``is_paired``: each slot is run
    over both. ``connect_to``: an address to connect to instead of looking the URL's host up.
    ``name_server``: host and port to ask instead of the machine's own. ``assertions``: all must
    hold. ``kind``: "request"; or "page": what the document asks
    for is fetched as well.
    """

    id: int
    url: str
    interval_us: int = 60_000_000
    timeout_us: int = 10_000_000
    slow_us: int | None = None
    max_redirects: int = 10
    request: Request = Request()
    ip_version: int = 0
    is_paired: bool = False
    connect_to: str = ""
    name_server: tuple[str, int] | None = None
    assertions: tuple[Assertion, ...] = ()
    kind: str = "request"


@dataclass(frozen=True, slots=True)
class Assignment:
    """A monitor given to this agent; slot k is at ``k * interval_us + offset_us`` (Unix epoch).

    ``from_us``: the first moment whose slots are this agent's; ``until_us``: the first whose slots
    are another's again. None: no bound. ``problem``: why this agent cannot probe it, so that its
    slots are missed; empty: it can.
    """

    monitor: Monitor
    offset_us: int
    from_us: int | None = None
    until_us: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a result is not up: a stable code of docs/failures.md, and the library's own words."""

    code: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """The certificates that a server showed, DER, its own first.

    ``sha256``: of all of them, one after another. ``expires_at_us``: the first one's end of
    validity, Unix microseconds; None: it cannot be read.
    """

    certificates: tuple[bytes, ...]
    sha256: bytes
    expires_at_us: int | None


@dataclass(frozen=True, slots=True)
class Handshake:
    """What TLS came to. ``version``: "1.2", "1.3"; ``cipher``: OpenSSL's name.

    Both are empty where the handshake broke off before they were agreed on.
    """

    version: str
    cipher: str
    chain: Chain


@dataclass(frozen=True, slots=True)
class Pings:
    """Echo requests and what came back; the mean round trip is the exchange's ``wait_us``.

    ``min_us``, ``max_us``: shortest and longest round trip; None: nothing came back.
    """

    sent: int
    received: int
    min_us: int | None = None
    max_us: int | None = None


@dataclass(slots=True)
class Exchange:
    """One request and its response.

    The phases sum exactly to ``total_us``. Addresses are packed (4 or 16 bytes, network order);
    empty: none. ``http_version`` is "1.0", "1.1", "2", "3"; empty: no response. ``body_bytes`` as
    received, before decompression. ``rtt_us``: the kernel's, at the first writable event; None:
    never connected. ``cert_expires_at_us``: the leaf's, Unix microseconds, also of
    one that was refused; None: none was seen. ``start_us``: when it began, counted from the
    result's start. ``outcome``, ``failure``: of a pair's last exchange and of a resource, which are
    judged by themselves; None: no more than a part of what is judged. ``handshake``: None: no
    certificate was seen. ``answer``: what a server greeted with, or the records it gave; empty for
    HTTP. ``pings``: of icmp only. ``doubt_us``: by how much a phase may be too long, at most; None:
    not known, and what the loop's lag says counts. ``resource``: what a
    resource is for, a Kind of agent.resources.
    """

    url: str
    phases: Phases
    total_us: int
    http_status: int | None = None
    http_version: str = ""
    header_bytes: int = 0
    body_bytes: int = 0
    target_ip: bytes = b""
    target_port: int = 0
    local_ip: bytes = b""
    rtt_us: int | None = None
    cert_expires_at_us: int | None = None
    role: Role = Role.HOP
    start_us: int = 0
    outcome: Outcome | None = None
    failure: Failure | None = None
    handshake: Handshake | None = None
    answer: str = ""
    pings: Pings | None = None
    doubt_us: int | None = None
    resource: str = ""


@dataclass(slots=True)
class Result:
    """One slot's outcome: ``redirect_us`` + last hop's phases + ``resources_us`` = ``total_us``.

    ``exchanges``: at least one. Those of one role are in the order they were made; hops come after
    all others, and the last hop is what the result is about.
    ``failure``: None exactly when the outcome is up. ``delay_us``: how late the probe began
    against its slot, outside the total. ``lag_us``: by how much a phase may be too long, at most,
    because the agent was held up. ``is_extra``: a person asked for it, outside the schedule; its
    slot is when.
    ``resources_us``: from the end of the document to that of the last resource; None: no page was
    asked for, or there is no document. ``handshake``: the last exchange's, where it is to be
    recorded; None: there is nothing new. Instants are Unix microseconds by this machine's clock.
    """

    monitor_id: int
    slot_at_us: int
    started_at_us: int
    outcome: Outcome
    failure: Failure | None
    exchanges: tuple[Exchange, ...]
    redirect_us: int
    total_us: int
    delay_us: int = 0
    lag_us: int = 0
    suspect: bool = False
    is_extra: bool = False
    handshake: Handshake | None = None
    resources_us: int | None = None
