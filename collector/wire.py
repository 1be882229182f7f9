"""Message -> rows: the one mapping from vantage.v1.Result to the columns of the database.

A Result with ``missed`` is a gap and no result.

Whatever PostgreSQL would refuse is refused here first, with the reason in words, so that one bad
result never spoils the COPY of the others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from vantage.v1 import result_pb2

# PostgreSQL's binary timestamptz is microseconds since 2000-01-01, an int8: COPY takes it as one.
POSTGRES_EPOCH_US = 946_684_800_000_000
EARLIEST_US = 1_577_836_800_000_000  # 2020-01-01: before any agent existed
LATEST_AHEAD_US = 86_400_000_000  # a clock a day ahead is broken, and would make far-off chunks
TEXT_MAX = 2048
EXCHANGES_MAX = 600  # a page's resources and all their redirects
PINGS_MAX = 1000
NO_PINGS = (None, None, None, None)
NUMBERS = ("redirect_us", "total_us", "delay_us", "lag_us", "header_bytes", "body_bytes")
PHASES = ("dns_us", "connect_us", "tls_us", "send_us", "wait_us", "receive_us")
# PostgreSQL's binary boolean, and its families of addresses (utils/inet.h).
BOOLEAN = (b"\0", b"\1")
INET, INET6 = 2, 3

# Columns as COPY writes them and the types that encode them; enum, timestamptz, uuid, inet and
# boolean are written as types whose binary form they share and that psycopg encodes in C.
RESULT_COLUMNS: dict[str, str] = {
    "slot_at": "int8",
    "started_at": "int8",
    "cert_expires_at": "int8",
    "body_bytes": "int8",
    "monitor_id": "int4",
    "total_us": "int4",
    "redirect_us": "int4",
    "resources_us": "int4",
    "dns_us": "int4",
    "connect_us": "int4",
    "tls_us": "int4",
    "send_us": "int4",
    "wait_us": "int4",
    "receive_us": "int4",
    "delay_us": "int4",
    "lag_us": "int4",
    "rtt_us": "int4",
    "header_bytes": "int4",
    "target_port": "int4",
    "outcome": "text",
    "agent_id": "bytea",
    "http_status": "int2",
    "redirects": "int2",
    "suspect": "bytea",
    "is_extra": "bytea",
    "location": "text",
    "failure": "text",
    "detail": "text",
    "http_version": "text",
    "url": "text",
    "target_ip": "bytea",
    "local_ip": "bytea",
    "pings_sent": "int2",
    "pings_received": "int2",
    "ping_min_us": "int4",
    "ping_max_us": "int4",
    "answer": "text",
}
SLOT_AT, MONITOR_ID, OUTCOME, SUSPECT = (
    list(RESULT_COLUMNS).index(name) for name in ("slot_at", "monitor_id", "outcome", "suspect")
)
EXCHANGE_COLUMNS: dict[str, str] = {
    "slot_at": "int8",
    "body_bytes": "int8",
    "monitor_id": "int4",
    "total_us": "int4",
    "dns_us": "int4",
    "connect_us": "int4",
    "tls_us": "int4",
    "send_us": "int4",
    "wait_us": "int4",
    "receive_us": "int4",
    "rtt_us": "int4",
    "header_bytes": "int4",
    "target_port": "int4",
    "http_status": "int2",
    "hop": "int2",
    "location": "text",
    "url": "text",
    "http_version": "text",
    "target_ip": "bytea",
    "local_ip": "bytea",
    "role": "text",
    "start_us": "int4",
    "outcome": "text",
    "failure": "text",
    "detail": "text",
    "resource": "text",
}
GAP_COLUMNS: dict[str, str] = {
    "from_slot_at": "int8",
    "to_slot_at": "int8",
    "monitor_id": "int4",
    "slots": "int4",
    "agent_id": "bytea",
    "location": "text",
    "reason": "text",
    "detail": "text",
}
CODE = re.compile(r"[a-z][a-z_]{0,31}")

OUTCOMES = {
    result_pb2.OUTCOME_UP: "up",
    result_pb2.OUTCOME_DEGRADED: "degraded",
    result_pb2.OUTCOME_DOWN: "down",
}
ROLES = {
    result_pb2.EXCHANGE_ROLE_UNSPECIFIED: "hop",
    result_pb2.EXCHANGE_ROLE_HOP: "hop",
    result_pb2.EXCHANGE_ROLE_PAIR: "pair",
    result_pb2.EXCHANGE_ROLE_RESOURCE: "resource",
}

Row = tuple[Any, ...]


class RefusedResult(ValueError):
    """This result cannot be stored; the message is the reason."""


class Rows(NamedTuple):
    """One result as the database takes it: its row, and one per exchange besides the last hop."""

    result: Row
    exchanges: tuple[Row, ...]


def votes(results: Sequence[Row]) -> tuple[str, str, str] | None:
    """Tell what rows of RESULT_COLUMNS say about their monitors, for verdicts.

    Three arrays, as PostgreSQL writes them: monitors, slots (Unix microseconds), outcomes. None: no
    result has a vote.
    """
    sound = [row for row in results if row[SUSPECT] == BOOLEAN[False]]
    if not sound:
        return None
    monitors = ",".join([str(row[MONITOR_ID]) for row in sound])
    slots = ",".join([str(row[SLOT_AT] + POSTGRES_EPOCH_US) for row in sound])
    outcomes = ",".join([row[OUTCOME] for row in sound])
    return f"{{{monitors}}}", f"{{{slots}}}", f"{{{outcomes}}}"


def decode(payload: bytes) -> result_pb2.Result:
    """Decode one encoded result. Raises: RefusedResult when it is none."""
    try:
        return result_pb2.Result.FromString(payload)
    except DecodeError as error:
        raise RefusedResult("not a vantage.v1.Result") from error


def monitor_of(payload: bytes) -> int | None:
    """Whose an encoded result is. None: it is no result."""
    try:
        return decode(payload).monitor_id
    except RefusedResult:
        return None


def rows(message: result_pb2.Result, *, agent_id: bytes, location: str, now_us: int) -> Rows:
    """Turn one result into the rows of RESULT_COLUMNS and EXCHANGE_COLUMNS.

    Every result of an installation comes through here, so it asks each field once and calls little.
    Raises: RefusedResult for what breaks its arithmetic or lies out of range.
    """
    made = message.exchanges
    if not 1 <= len(made) <= EXCHANGES_MAX:
        raise RefusedResult(f"it has {len(made)} exchanges")
    last = made[-1]
    outcome = OUTCOMES.get(message.outcome)
    if outcome is None:
        raise RefusedResult(f"outcome {message.outcome} is unknown")
    failure = text(message.failure, "failure")
    if (failure is None) != (outcome == "up"):
        raise RefusedResult(f"outcome {outcome} with failure {failure}")
    phases = durations(last)
    numbers = message.redirect_us, message.total_us, message.delay_us, message.lag_us
    redirect_us, total_us, delay_us, lag_us = numbers
    sizes = last.header_bytes, last.body_bytes
    if min(numbers) < 0 or min(sizes) < 0:
        raise negative(NUMBERS, (*numbers, *sizes))
    resources_us = None
    if message.HasField("resources_us"):
        resources_us = count(message.resources_us, "resources_us")
    if redirect_us + sum(filter(None, phases)) + (resources_us or 0) != total_us:
        raise RefusedResult("its phases do not sum to total_us")
    slot_at = instant(message.slot_at_us, now_us, "slot_at_us")
    if role(last) != "hop":
        raise RefusedResult("its last exchange is no hop")
    exchanges: tuple[Row, ...] = ()
    redirects = 0
    if len(made) > 1:
        exchanges = tuple(exchange_rows(message, slot_at, location))
        redirects = sum(1 for exchange in made if role(exchange) == "hop") - 1
    row = (
        slot_at,
        instant(message.started_at_us, now_us, "started_at_us"),
        expiry(last.cert_expires_at_us) if last.HasField("cert_expires_at_us") else None,
        sizes[1],
        message.monitor_id,
        total_us,
        redirect_us,
        resources_us,
        *phases,
        delay_us,
        lag_us,
        count(last.rtt_us, "rtt_us") if last.HasField("rtt_us") else None,
        sizes[0],
        port(last.target_port),
        outcome,
        agent_id,
        status(last),
        redirects,
        BOOLEAN[message.suspect],
        BOOLEAN[message.is_extra],
        location,
        failure,
        text(message.detail, "detail"),
        text(last.http_version, "http_version"),
        text(last.url, "url") if redirects else None,
        address(last.target_ip),
        address(last.local_ip),
        *pings(last),
        text(last.answer, "answer"),
    )
    return Rows(row, exchanges)


def gap_row(message: result_pb2.Result, *, agent_id: bytes, location: str, now_us: int) -> Row:
    """Turn a message with ``missed`` into a row of GAP_COLUMNS.

    A reason that this version does not know is stored all the same: the agent may be newer.
    Raises: RefusedResult.
    """
    missed = message.missed
    from_slot_at = instant(missed.from_slot_at_us, now_us, "from_slot_at_us")
    to_slot_at = instant(missed.to_slot_at_us, now_us, "to_slot_at_us")
    span_s = (to_slot_at - from_slot_at) // 1_000_000
    if not 1 <= missed.slots <= span_s + 1:
        raise RefusedResult(f"{missed.slots} slots were missed within {span_s} s")
    if not CODE.fullmatch(missed.reason):
        raise RefusedResult(f"{missed.reason[:40]!r} is no reason")
    return (
        from_slot_at,
        to_slot_at,
        message.monitor_id,
        missed.slots,
        agent_id,
        location,
        missed.reason,
        text(missed.detail, "detail"),
    )


def exchange_rows(message: result_pb2.Result, slot_at: int, location: str) -> Iterator[Row]:
    """Encode every exchange but the last hop, each role numbered from 1."""
    numbers: Counter[str] = Counter()
    for exchange in message.exchanges[:-1]:
        numbers[role(exchange)] += 1
        hop = numbers[role(exchange)]
        yield exchange_row(exchange, hop, slot_at, message.monitor_id, location)


def exchange_row(
    exchange: result_pb2.Exchange, hop: int, slot_at: int, monitor_id: int, location: str
) -> Row:
    """Encode one exchange as a row of EXCHANGE_COLUMNS."""
    phases = durations(exchange)
    total_us = count(exchange.total_us, "total_us")
    if sum(filter(None, phases)) != total_us:
        raise RefusedResult(f"the phases of {role(exchange)} {hop} do not sum to its total_us")
    return (
        slot_at,
        count(exchange.body_bytes, "body_bytes"),
        monitor_id,
        total_us,
        *phases,
        count(exchange.rtt_us, "rtt_us") if exchange.HasField("rtt_us") else None,
        count(exchange.header_bytes, "header_bytes"),
        port(exchange.target_port),
        status(exchange),
        hop,
        location,
        text(exchange.url, "url") or "",
        text(exchange.http_version, "http_version"),
        address(exchange.target_ip),
        address(exchange.local_ip),
        role(exchange),
        count(exchange.start_us, "start_us"),
        OUTCOMES.get(exchange.outcome),
        text(exchange.failure, "failure"),
        text(exchange.detail, "detail"),
        text(exchange.resource, "resource"),
    )


def role(exchange: result_pb2.Exchange) -> str:
    """Name what an exchange is to its result."""
    name = ROLES.get(exchange.role)
    if name is None:
        raise RefusedResult(f"an exchange has the role {exchange.role}, which is unknown")
    return name


def durations(exchange: result_pb2.Exchange) -> tuple[int | None, ...]:
    """Return the six phases in their order; None for those not reached."""
    phases = exchange.phases
    has = phases.HasField
    found = (
        phases.dns_us if has("dns_us") else None,
        phases.connect_us if has("connect_us") else None,
        phases.tls_us if has("tls_us") else None,
        phases.send_us if has("send_us") else None,
        phases.wait_us if has("wait_us") else None,
        phases.receive_us if has("receive_us") else None,
    )
    if min(filter(None, found), default=0) < 0:
        raise negative(PHASES, found)
    return found


def pings(exchange: result_pb2.Exchange) -> tuple[int | None, ...]:
    """Return pings sent and received, and the shortest and longest round trip; None: none."""
    if not exchange.HasField("pings_sent"):
        return NO_PINGS
    if exchange.pings_received > exchange.pings_sent or exchange.pings_sent > PINGS_MAX:
        raise RefusedResult(f"{exchange.pings_received} of {exchange.pings_sent} pings came back")
    return tuple(
        count(getattr(exchange, name), name) if exchange.HasField(name) else None
        for name in ("pings_sent", "pings_received", "ping_min_us", "ping_max_us")
    )


def count(value: int, name: str) -> int:
    """Check a duration or a size; protobuf's int32 and int64 fit the columns' upper bounds."""
    if value < 0:
        raise RefusedResult(f"{name} is {value}")
    return value


def negative(names: Sequence[str], values: Sequence[int | None]) -> RefusedResult:
    """Name the first of several numbers that is below 0."""
    pairs = zip(names, values, strict=True)
    name, value = next((name, value) for name, value in pairs if value is not None and value < 0)
    return RefusedResult(f"{name} is {value}")


def port(value: int) -> int:
    """Check a TCP port; 0: no address was tried."""
    if not 0 <= value <= 65535:
        raise RefusedResult(f"target_port is {value}")
    return value


def status(exchange: result_pb2.Exchange) -> int | None:
    """Return the HTTP status; None: no response."""
    if not exchange.HasField("http_status"):
        return None
    if not 100 <= exchange.http_status <= 999:
        raise RefusedResult(f"http_status is {exchange.http_status}")
    return exchange.http_status


def instant(unix_us: int, now_us: int, name: str) -> int:
    """Check that an instant is a plausible one and count it from PostgreSQL's epoch."""
    if not EARLIEST_US <= unix_us <= now_us + LATEST_AHEAD_US:
        raise RefusedResult(f"{name} is {unix_us}, which no sound clock says")
    return unix_us - POSTGRES_EPOCH_US


def expiry(unix_us: int) -> int:
    """Count a certificate's end from PostgreSQL's epoch; any year from 1 to 9999 is allowed."""
    if not -62_135_596_800_000_000 <= unix_us <= 253_402_300_799_000_000:
        raise RefusedResult(f"cert_expires_at_us is {unix_us}")
    return unix_us - POSTGRES_EPOCH_US


def text(value: str, name: str) -> str | None:
    """Return a text as PostgreSQL can hold it, cut at TEXT_MAX; None for an empty one."""
    if not value:
        return None
    if "\0" in value:
        raise RefusedResult(f"{name} holds a NUL character")
    return value[:TEXT_MAX]


@lru_cache(maxsize=4096)
def address(packed: bytes) -> bytes | None:
    """Turn a packed address of 4 or 16 bytes into PostgreSQL's binary inet; None: none."""
    if not packed:
        return None
    if len(packed) not in (4, 16):
        raise RefusedResult(f"an address of {len(packed)} bytes")
    family = INET if len(packed) == 4 else INET6
    return bytes([family, 8 * len(packed), 0, len(packed)]) + packed
