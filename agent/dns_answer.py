"""Answers that are no plain ones, read by dnspython; had by TCP where they were cut short.

Source: RFC 1035, section 4.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from typing import TypeVar

import dns.exception
import dns.flags
import dns.message
from dns.rdata import load_all_types
from dns.rdatatype import RdataType

from agent.datagram import readable
from agent.dns_message import Question
from agent.dns_query import Reply, nothing, refused
from agent.event import Connection, came_ns, stamp
from agent.resolv_conf import Address, Server, family_of

# Before every message by TCP: how long it is.
_LENGTH = struct.Struct("!H")
# In a message's header: how many questions, and records of three kinds.
_COUNTS, _COUNTS_AT, _COUNTS_END = struct.Struct("!4H"), 4, 12
_CHUNK_BYTES = 65536
# Each may take dnspython a millisecond to read, for all the labels that its names may have.
_RECORDS_MAX = 500
# Reading more than an honest datagram holds may take long: another thread does it.
_QUICK_BYTES = 1232

T = TypeVar("T")

# dnspython loads how to read a type when it first meets it, by the class it meets it in: a record A
# of class ANY would have it take every later one, in every answer, for unknown bytes.
load_all_types()  # type: ignore[no-untyped-call]


def match(
    datagram: bytes, waiting: Mapping[RdataType, Question]
) -> tuple[RdataType | None, dns.message.Message | None]:
    """Find the question a datagram answers; (None, None): none, it is stray, forged or garbage.

    (kind, None): the answer was cut short and must be had by TCP.
    """
    try:
        message = message_of(datagram)
    except ValueError:
        return None, None
    for kind, question in waiting.items():
        if question.message.is_response(message):
            is_cut = bool(message.flags & dns.flags.TC)
            return kind, None if is_cut else message
    return None, None


def message_of(wire: bytes) -> dns.message.Message:
    """Read a message, whatever follows it. Raises: ValueError for what is none, or too much."""
    records = sum(_COUNTS.unpack_from(wire.ljust(_COUNTS_END), _COUNTS_AT))
    if records > _RECORDS_MAX:
        raise ValueError(f"it has {records} records; the limit is {_RECORDS_MAX}")
    try:
        return dns.message.from_wire(wire, ignore_trailing=True, raise_on_truncation=False)
    except dns.exception.DNSException as error:
        raise ValueError(str(error)) from error


async def aside(wire: bytes, read: Callable[[bytes], T]) -> T:
    """Read it without holding up other probes."""
    return read(wire) if len(wire) <= _QUICK_BYTES else await asyncio.to_thread(read, wire)


async def ask_by_tcp(
    server: Server, question: dns.message.QueryMessage, until_ns: int
) -> tuple[dns.message.Message, int]:
    """Ask for what a datagram cannot hold; return it, and after how many ns the last of it came.

    Raises: OSError; TimeoutError where it had not by ``until_ns`` of the monotonic clock.
    """
    loop = asyncio.get_running_loop()
    wire = question.to_wire()
    kind = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
    with socket.socket(family_of(ip_address(server[0])), kind) as sock:
        stamp(sock)
        began_ns = time.monotonic_ns()
        async with asyncio.timeout((until_ns - began_ns) / 1e9):
            await loop.sock_connect(sock, server)
            await loop.sock_sendall(sock, _LENGTH.pack(len(wire)) + wire)
        answer, came_at_ns = await _receive(sock, until_ns)
    try:
        message = await aside(answer, message_of)
    except ValueError as error:
        raise OSError(f"the answer by TCP was unusable: {error}") from error
    if not question.is_response(message):
        raise OSError("the answer by TCP was to another question")
    return message, came_at_ns - began_ns


async def _receive(sock: socket.socket, until_ns: int) -> tuple[bytes, int]:
    """Read one message, and the kernel's date of what completed it.

    Raises: OSError; TimeoutError.
    """
    loop = asyncio.get_running_loop()
    connection = Connection(sock, None)
    octets = bytearray()
    while True:
        await readable(sock, until_ns)
        at_ns = came_ns(connection) or time.monotonic_ns()
        if at_ns > until_ns:
            raise TimeoutError
        chunk = await loop.sock_recv(sock, _CHUNK_BYTES)
        if not chunk:
            raise OSError(f"the answer by TCP ended after {len(octets)} bytes")
        octets += chunk
        if len(octets) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(octets)[0]
            if len(octets) >= end:
                return bytes(octets[_LENGTH.size : end]), at_ns


def read(message: dns.message.Message, kind: RdataType, server: Server, at_ns: int) -> Reply:
    """Say what a server said of one type; ``at_ns``: when it arrived."""
    if rcode := message.rcode():
        return refused(at_ns, rcode, server)
    addresses = tuple(_addresses(message, kind))
    if addresses:
        return Reply(at_ns, addresses)
    return nothing(at_ns, kind)


def _addresses(message: dns.message.Message, kind: RdataType) -> Iterator[Address]:
    """Addresses at the end of the answer's chain of aliases."""
    if not isinstance(message, dns.message.QueryMessage):
        return
    try:
        answer = message.resolve_chaining().answer
    except dns.exception.DNSException:
        return
    if answer is not None and answer.rdtype == kind:
        for record in answer:
            yield ip_address(record.address)
