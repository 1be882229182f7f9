"""One question to one name server, by a datagram, and by TCP where that was cut short.

Where the server has several addresses they are asked in turn until one answers, whatever it says;
what the silent ones took is part of ``wait_us``. The kernel says when the first question left and
when the answer arrived, as with all of the agent's own questions.

Source: RFC 1035, RFC 6891 (EDNS), RFC 9715 (no fragments).
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from time import monotonic_ns

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from agent.content import Content
from agent.datagram import connected, datagrams, readable, send
from agent.dns_answer import aside, ask_by_tcp, message_of
from agent.dns_query import heard_odd
from agent.failure import Code, os_failure
from agent.guard import Address
from agent.result import Exchange, Failure, Phases
from agent.schemes.answer import printable
from agent.schemes.scheme import Exchanged
from agent.schemes.turns import in_turn
from agent.stopwatch import Stopwatch
from vantage.url import Target

# A datagram may get lost; the one after it is asked the same, under the same number.
_AGAIN_NS = 2_000_000_000
_PAYLOAD_BYTES = 1232

_PROBLEMS = {
    dns.rcode.NXDOMAIN: Code.DNS_NXDOMAIN,
    dns.rcode.SERVFAIL: Code.DNS_SERVFAIL,
    dns.rcode.REFUSED: Code.DNS_REFUSED,
}


async def ask_in_turn(
    target: Target,
    addresses: Sequence[Address],
    dns_us: int | None,
    timeout_us: int,
    content: Content | None,
    source: str | None,
) -> Exchanged:
    """Ask what a dns URL asks; ``source``: where from, None: the kernel's choice."""
    question = dns.message.make_query(target.name, target.type, use_edns=0, payload=_PAYLOAD_BYTES)
    watch: Stopwatch | None = None
    heard: _Heard | None = None
    for address, until_ns in in_turn(addresses, timeout_us):
        local_ip = b""
        try:
            with connected((str(address), target.port), source=source) as sock:
                local_ip = socket.inet_pton(sock.family, sock.getsockname()[0])
                left_ns = send(sock, question.to_wire())
                watch = watch or Stopwatch("wait", left_ns)
                heard = await _answer(sock, question, (str(address), target.port), until_ns)
            failure = _problem(heard.message, target)
            break
        except TimeoutError:
            failure = Failure(Code.TIMEOUT_WAIT, "the name server did not answer in time")
        except OSError as error:
            failure = os_failure(error)
    # Where no question could leave, nothing was waited for.
    at_ns = None if heard is None else heard.at_ns
    wait_us = None if watch is None else watch.stop(at_ns)["wait_us"]
    text = "\n".join(sorted(_records(heard.message))) if heard else ""
    is_at_once = heard is not None and heard.is_at_once and address == addresses[0]
    if content is not None:
        content.on_body(text.encode())
    exchange = Exchange(
        url=target.url,
        phases=Phases(dns_us=dns_us, wait_us=wait_us),
        total_us=(dns_us or 0) + (wait_us or 0),
        body_bytes=len(heard.message.wire or b"") if heard else 0,
        target_ip=address.packed,
        target_port=target.port,
        local_ip=local_ip,
        doubt_us=0 if is_at_once else None,
        answer=printable(text),
    )
    return exchange, failure, ""


@dataclass(frozen=True, slots=True)
class _Heard:
    """An answer; ``at_ns``: when it arrived, on the monotonic clock.

    ``is_at_once``: it is that to the first datagram, by the kernel's date: nothing that the agent
    did can have delayed it.
    """

    message: dns.message.Message
    at_ns: int
    is_at_once: bool


async def _answer(
    sock: socket.socket,
    question: dns.message.QueryMessage,
    server: tuple[str, int],
    until_ns: int,
) -> _Heard:
    """Wait for the answer to what was sent, and ask again and by TCP.

    Raises: OSError; TimeoutError where it had not come by ``until_ns``.
    """
    is_first = True
    while True:
        try:
            heard = await _receive(sock, question, until_ns)
        except TimeoutError:
            if monotonic_ns() >= until_ns:
                raise
            is_first = False
            send(sock, question.to_wire())
            continue
        if heard.message.flags & dns.flags.TC:
            message, took_ns = await ask_by_tcp(server, question, until_ns)
            return _Heard(message, heard.at_ns + took_ns, is_at_once=False)
        return heard if is_first else replace(heard, is_at_once=False)


async def _receive(
    sock: socket.socket, question: dns.message.QueryMessage, until_ns: int
) -> _Heard:
    """Read until the answer is there; what is stray, forged or garbage is passed over.

    Raises: TimeoutError where it is not, and it is time to ask again, or ``until_ns``; OSError.
    """
    again_ns = min(until_ns, monotonic_ns() + _AGAIN_NS)
    number = question.id.to_bytes(2, "big")
    odd = 0
    while True:
        await readable(sock, again_ns)
        for datagram, at_ns, is_dated in datagrams(sock, until_ns):
            if not datagram.startswith(number):
                continue
            try:
                message = await aside(datagram, message_of)
            except ValueError:
                odd = heard_odd(odd)
                continue
            if question.is_response(message):
                return _Heard(message, at_ns, is_dated)
            odd = heard_odd(odd)


def _problem(message: dns.message.Message, target: Target) -> Failure | None:
    rcode = message.rcode()
    if rcode != dns.rcode.NOERROR:
        code = _PROBLEMS.get(rcode, Code.DNS_BAD_ANSWER)
        return Failure(code, f"the name server answered {dns.rcode.to_text(rcode)}")
    wanted = dns.rdatatype.from_text(target.type)
    if any(rrset.rdtype == wanted for rrset in message.answer):
        return None
    return Failure(Code.DNS_NO_RECORD, f"{target.name} has no {target.type} record")


def _records(message: dns.message.Message) -> Iterator[str]:
    """Word every record of the answer, without its class and its ever-changing time to live."""
    for rrset in message.answer:
        name = rrset.name.to_text(omit_final_dot=True)
        kind = dns.rdatatype.to_text(rrset.rdtype)
        for record in rrset:
            yield f"{name} {kind} {record.to_text()}"
