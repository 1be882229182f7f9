"""Message -> rows: the one mapping from vantage.v1.Result to the columns of the database.

A Result with ``missed`` is a gap and no result.

Whatever PostgreSQL would refuse is refused here first, with the reason in words, so that one bad
result never spoils the COPY of the others.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from struct import Struct

from google.protobuf.message import DecodeError, Message

from collector.row import NULL, bytea, encode, int2, int4, int8, text
from vantage.phase import PHASES
from vantage.v1 import result_pb2

# PostgreSQL's binary timestamptz is microseconds since 2000-01-01, an int8: COPY takes it as one.
POSTGRES_EPOCH_US = 946_684_800_000_000
EARLIEST_US = 1_577_836_800_000_000  # 2020-01-01: before any agent existed
LATEST_AHEAD_US = 86_400_000_000  # a clock a day ahead is broken, and would make far-off chunks
TEXT_MAX = 2048
EXCHANGES_MAX = 600  # a page's resources and all their redirects
PINGS_MAX = 1000
PINGS = ("pings_sent", "pings_received", "ping_min_us", "ping_max_us")
PHASES_US = tuple(f"{phase}_us" for phase in PHASES)
# PostgreSQL's families of addresses (utils/inet.h).
INET, INET6 = 2, 3

# Columns as COPY writes them and the types that encode them; enum, timestamptz, uuid, inet and
# boolean are written as types whose binary form they share. The first eleven are never NULL and
# the next eight often are not: ``numbers`` packs these together.
RESULT_COLUMNS: dict[str, str] = {
    "slot_at": "int8",
    "started_at": "int8",
    "body_bytes": "int8",
    "monitor_id": "int4",
    "total_us": "int4",
    "redirect_us": "int4",
    "delay_us": "int4",
    "lag_us": "int4",
    "header_bytes": "int4",
    "target_port": "int4",
    "redirects": "int2",
    "dns_us": "int4",
    "connect_us": "int4",
    "tls_us": "int4",
    "send_us": "int4",
    "wait_us": "int4",
    "receive_us": "int4",
    "rtt_us": "int4",
    "cert_expires_at": "int8",
    "http_status": "int2",
    "resources_us": "int4",
    "pings_sent": "int2",
    "pings_received": "int2",
    "ping_min_us": "int4",
    "ping_max_us": "int4",
    "agent_id": "bytea",
    "location": "text",
    "outcome": "text",
    "suspect": "bytea",
    "is_extra": "bytea",
    "http_version": "text",
    "target_ip": "bytea",
    "local_ip": "bytea",
    "failure": "text",
    "detail": "text",
    "url": "text",
    "answer": "text",
}
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

# What is the same in many rows, as a row holds it.
OUTCOME_CELLS = {number: text(name) for number, name in OUTCOMES.items()}
BOOLEAN_CELLS = (bytea(b"\0"), bytea(b"\1"))
NO_PINGS = NULL * len(PINGS)
COLUMNS = len(RESULT_COLUMNS)
UP = result_pb2.OUTCOME_UP
HOPS = (result_pb2.EXCHANGE_ROLE_HOP, result_pb2.EXCHANGE_ROLE_UNSPECIFIED)
ALWAYS = Struct(">h" + "iq" * 3 + "ii" * 7 + "ih").pack
OFTEN = Struct(">" + "ii" * 7 + "iq" + "ih").pack


class RefusedResult(ValueError):
    """This result cannot be stored; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose results these are, and from where. ``cells``: as a row holds it."""

    agent_id: bytes
    location: str
    cells: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cells", bytea(self.agent_id) + text(self.location))


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


def rows(message: result_pb2.Result, origin: Origin, now_us: int) -> tuple[bytes, list[bytes]]:
    """Turn one result into a row of RESULT_COLUMNS and those of EXCHANGE_COLUMNS.

    Every result of an installation comes through here: what it calls asks each field once, and
    whether one is there only where it is 0.
    Raises: RefusedResult for what breaks its arithmetic or lies out of range.
    """
    made = message.exchanges
    if not 1 <= len(made) <= EXCHANGES_MAX:
        raise RefusedResult(f"it has {len(made)} exchanges")
    last = made[-1]
    if last.role not in HOPS:
        role(last)
        raise RefusedResult("its last exchange is no hop")
    outcome, failure = message.outcome, message.failure
    if outcome not in OUTCOMES:
        raise RefusedResult(f"outcome {outcome} is unknown")
    if (not failure) != (outcome == UP):
        raise RefusedResult(f"outcome {OUTCOMES[outcome]} with failure {failure or None}")
    redirects = 0 if len(made) == 1 else sum(role(exchange) == "hop" for exchange in made) - 1
    detail, answer = message.detail, last.answer
    row = b"".join(
        (
            numbers(message, last, redirects, now_us),
            pings(last) if last.HasField("pings_sent") else NO_PINGS,
            origin.cells,
            OUTCOME_CELLS[outcome],
            BOOLEAN_CELLS[message.suspect],
            BOOLEAN_CELLS[message.is_extra],
            version(last.http_version),
            address(last.target_ip),
            address(last.local_ip),
            text(storable(failure, "failure")) if failure else NULL,
            text(storable(detail, "detail")) if detail else NULL,
            text(storable(last.url, "url")) if redirects else NULL,
            text(storable(answer, "answer")) if answer else NULL,
        )
    )
    return row, exchange_rows(message, origin) if len(made) > 1 else []


def numbers(
    message: result_pb2.Result, last: result_pb2.Exchange, redirects: int, now_us: int
) -> bytes:
    """Encode the instants, durations and sizes of a result, the columns up to ``resources_us``."""
    slot_at = instant(message.slot_at_us, now_us, "slot_at_us")
    started_at = instant(message.started_at_us, now_us, "started_at_us")
    redirect_us, total_us = message.redirect_us, message.total_us
    delay_us, lag_us = message.delay_us, message.lag_us
    resources_us = message.resources_us
    header_bytes, body_bytes, rtt_us = last.header_bytes, last.body_bytes, last.rtt_us
    phases = last.phases
    dns_us, connect_us, tls_us = phases.dns_us, phases.connect_us, phases.tls_us
    send_us, wait_us, receive_us = phases.send_us, phases.wait_us, phases.receive_us
    # Any of them is negative: so is this.
    if (
        (redirect_us | total_us | delay_us | lag_us | resources_us | header_bytes | body_bytes)
        | (dns_us | connect_us | tls_us | send_us | wait_us | receive_us | rtt_us)
    ) < 0:
        raise negative(message)
    told_us = dns_us + connect_us + tls_us + send_us + wait_us + receive_us
    if redirect_us + told_us + resources_us != total_us:
        raise RefusedResult("its phases do not sum to total_us")
    cert_expires_at, http_status = expiry(last), status(last)
    # fmt: off
    always = ALWAYS(
        COLUMNS, 8, slot_at, 8, started_at, 8, body_bytes, 4, message.monitor_id, 4, total_us,
        4, redirect_us, 4, delay_us, 4, lag_us, 4, header_bytes, 4, port(last.target_port),
        2, redirects,
    )
    if (
        dns_us and connect_us and tls_us and send_us and wait_us and receive_us and rtt_us
        and cert_expires_at and http_status
    ):
        often = OFTEN(
            4, dns_us, 4, connect_us, 4, tls_us, 4, send_us, 4, wait_us, 4, receive_us, 4, rtt_us,
            8, cert_expires_at, 2, http_status,
        )
    # fmt: on
    else:
        times = *durations(phases), optional(last, "rtt_us")
        often = b"".join((*map(int4, times), int8(cert_expires_at), int2(http_status)))
    return always + often + int4(resources_us or optional(message, "resources_us"))


def gap_row(message: result_pb2.Result, origin: Origin, now_us: int) -> bytes:
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
    return encode(
        GAP_COLUMNS,
        (
            from_slot_at,
            to_slot_at,
            message.monitor_id,
            missed.slots,
            origin.agent_id,
            origin.location,
            missed.reason,
            storable(missed.detail, "detail"),
        ),
    )


def exchange_rows(message: result_pb2.Result, origin: Origin) -> list[bytes]:
    """Turn every exchange but the last hop into a row, each role numbered from 1."""
    numbers: Counter[str] = Counter()
    found = []
    for exchange in message.exchanges[:-1]:
        numbers[role(exchange)] += 1
        found.append(exchange_row(exchange, numbers[role(exchange)], message, origin))
    return found


def exchange_row(
    exchange: result_pb2.Exchange, hop: int, message: result_pb2.Result, origin: Origin
) -> bytes:
    """Turn one exchange into a row of EXCHANGE_COLUMNS."""
    phases = durations(exchange.phases)
    total_us = count(exchange.total_us, "total_us")
    if sum(filter(None, phases)) != total_us:
        raise RefusedResult(f"the phases of {role(exchange)} {hop} do not sum to its total_us")
    return encode(
        EXCHANGE_COLUMNS,
        (
            message.slot_at_us - POSTGRES_EPOCH_US,
            count(exchange.body_bytes, "body_bytes"),
            message.monitor_id,
            total_us,
            *phases,
            optional(exchange, "rtt_us"),
            count(exchange.header_bytes, "header_bytes"),
            port(exchange.target_port),
            status(exchange),
            hop,
            origin.location,
            storable(exchange.url, "url") or "",
            storable(exchange.http_version, "http_version"),
            inet(exchange.target_ip),
            inet(exchange.local_ip),
            role(exchange),
            count(exchange.start_us, "start_us"),
            OUTCOMES.get(exchange.outcome),
            storable(exchange.failure, "failure"),
            storable(exchange.detail, "detail"),
            storable(exchange.resource, "resource"),
        ),
    )


def role(exchange: result_pb2.Exchange) -> str:
    """Name what an exchange is to its result."""
    name = ROLES.get(exchange.role)
    if name is None:
        raise RefusedResult(f"an exchange has the role {exchange.role}, which is unknown")
    return name


def durations(phases: result_pb2.Phases) -> tuple[int | None, ...]:
    """Return the six phases in their order; None for those not reached."""
    return tuple(optional(phases, name) for name in PHASES_US)


def pings(exchange: result_pb2.Exchange) -> bytes:
    """Encode pings sent and received, and the shortest and longest round trip."""
    if exchange.pings_received > exchange.pings_sent or exchange.pings_sent > PINGS_MAX:
        raise RefusedResult(f"{exchange.pings_received} of {exchange.pings_sent} pings came back")
    sent, received, min_us, max_us = (optional(exchange, name) for name in PINGS)
    return int2(sent) + int2(received) + int4(min_us) + int4(max_us)


def optional(message: Message, name: str) -> int | None:
    """Return a duration or a number; None: absent."""
    return count(getattr(message, name), name) if message.HasField(name) else None


def count(value: int, name: str) -> int:
    """Check a duration or a size; protobuf's int32 and int64 fit the columns' upper bounds."""
    if value < 0:
        raise RefusedResult(f"{name} is {value}")
    return value


def negative(message: result_pb2.Result) -> RefusedResult:
    """Name the first number of a result that is below 0."""
    last = message.exchanges[-1]
    places: tuple[tuple[Message, tuple[str, ...]], ...] = (
        (message, ("redirect_us", "total_us", "delay_us", "lag_us", "resources_us")),
        (last, ("header_bytes", "body_bytes", "rtt_us")),
        (last.phases, PHASES_US),
    )
    numbers = [(name, getattr(place, name)) for place, names in places for name in names]
    name, value = next((name, value) for name, value in numbers if value < 0)
    return RefusedResult(f"{name} is {value}")


def port(value: int) -> int:
    """Check a TCP port; 0: no address was tried."""
    if not 0 <= value <= 65535:
        raise RefusedResult(f"target_port is {value}")
    return value


def status(exchange: result_pb2.Exchange) -> int | None:
    """Return the HTTP status; None: no response."""
    found = exchange.http_status
    if 100 <= found <= 999:
        return found
    if not exchange.HasField("http_status"):
        return None
    raise RefusedResult(f"http_status is {found}")


def instant(unix_us: int, now_us: int, name: str) -> int:
    """Check that an instant is a plausible one and count it from PostgreSQL's epoch."""
    if not EARLIEST_US <= unix_us <= now_us + LATEST_AHEAD_US:
        raise RefusedResult(f"{name} is {unix_us}, which no sound clock says")
    return unix_us - POSTGRES_EPOCH_US


def expiry(exchange: result_pb2.Exchange) -> int | None:
    """Count a certificate's end from PostgreSQL's epoch; None: none was seen.

    Any year from 1 to 9999 is allowed.
    """
    unix_us = exchange.cert_expires_at_us
    if not unix_us and not exchange.HasField("cert_expires_at_us"):
        return None
    if not -62_135_596_800_000_000 <= unix_us <= 253_402_300_799_000_000:
        raise RefusedResult(f"cert_expires_at_us is {unix_us}")
    return unix_us - POSTGRES_EPOCH_US


def storable(value: str, name: str) -> str | None:
    """Return a text as PostgreSQL can hold it, cut at TEXT_MAX; None for an empty one."""
    if not value:
        return None
    if "\0" in value:
        raise RefusedResult(f"{name} holds a NUL character")
    return value[:TEXT_MAX]


@lru_cache(maxsize=256)
def version(value: str) -> bytes:
    """Encode an HTTP version."""
    return text(storable(value, "http_version"))


@lru_cache(maxsize=4096)
def address(packed: bytes) -> bytes:
    """Encode a packed address as a cell."""
    return bytea(inet(packed))


def inet(packed: bytes) -> bytes | None:
    """Turn a packed address of 4 or 16 bytes into PostgreSQL's binary inet; None: none."""
    if not packed:
        return None
    if len(packed) not in (4, 16):
        raise RefusedResult(f"an address of {len(packed)} bytes")
    family = INET if len(packed) == 4 else INET6
    return bytes([family, 8 * len(packed), 0, len(packed)]) + packed
