"""Answers that are no plain ones, read by dnspython; had by TCP where they were cut short.

Source: RFC 1035, section 4.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Iterator, Mapping
from ipaddress import ip_address

import dns.exception
import dns.flags
import dns.message
from dns.rdatatype import RdataType

from agent.dns_message import Question
from agent.dns_query import Reply, nothing, refused
from agent.resolv_conf import Address, Server


def match(
    datagram: bytes, waiting: Mapping[RdataType, Question]
) -> tuple[RdataType | None, dns.message.Message | None]:
    """Find the question a datagram answers; (None, None): none, it is stray, forged or garbage.

    (kind, None): the answer was cut short and must be had by TCP.
    """
    try:
        message = dns.message.from_wire(datagram, ignore_trailing=True, raise_on_truncation=False)
    except (dns.exception.DNSException, ValueError):
        return None, None
    for kind, question in waiting.items():
        if question.message.is_response(message):
            is_cut = bool(message.flags & dns.flags.TC)
            return kind, None if is_cut else message
    return None, None


async def ask_by_tcp(server: Server, question: dns.message.QueryMessage) -> dns.message.Message:
    """Ask for what a datagram cannot hold. Raises: OSError."""
    reader, writer = await asyncio.open_connection(*server)
    try:
        wire = question.to_wire()
        writer.write(struct.pack("!H", len(wire)) + wire)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        message = dns.message.from_wire(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, dns.exception.DNSException, ValueError) as error:
        raise OSError(f"the answer by TCP was unusable: {error}") from error
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if not question.is_response(message):
        raise OSError("the answer by TCP was to another question")
    return message


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
