"""DNS questions to one name server: UDP on the loop, stamped by the kernel, TCP when cut short.

Source: RFC 1035, section 4; RFC 8305, section 3.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from functools import partial

from dns.rcode import Rcode
from dns.rdatatype import RdataType

from agent.datagram import connected, datagrams, readable, send
from agent.dns_message import Question
from agent.failure import Code
from agent.resolv_conf import Address, Server

# How long an answer for one family waits for the other's (RFC 8305, section 3).
_OTHER_FAMILY_NS = 50_000_000

# Datagrams under a question's number that do not answer it: it is not to be heard for ever.
ODD_MAX = 8

_PROBLEMS = {
    Rcode.NXDOMAIN: Code.DNS_NXDOMAIN,
    Rcode.SERVFAIL: Code.DNS_SERVFAIL,
    Rcode.REFUSED: Code.DNS_REFUSED,
}


@dataclass(slots=True)
class Reply:
    """What a server said about one type; ``at_ns``: monotonic, when the kernel received it."""

    at_ns: int
    addresses: tuple[Address, ...] = ()
    problem: Code | None = None
    detail: str = ""


class Replies(dict[RdataType, Reply]):
    """What was said of each type; ``asked_ns``: when the first question was sent; 0: none was."""

    def __init__(self, asked_ns: int = 0) -> None:
        super().__init__()
        self.asked_ns = asked_ns


Questions = dict[RdataType, Question]


async def ask(server: Server, questions: Questions, replies: Replies, until_ns: int) -> None:
    """Send what is still open to ``server``, all at once; put what it says into ``replies``.

    ``until_ns``: by when an answer must have arrived, on the monotonic clock.
    """
    waiting = {kind: q for kind, q in questions.items() if not is_final(replies.get(kind))}
    try:
        with connected(server) as sock:
            for question in waiting.values():
                left_ns = send(sock, question.wire)
                replies.asked_ns = replies.asked_ns or left_ns
            await _collect(sock, server, waiting, replies, until_ns)
    except OSError as error:
        replies.update(dict.fromkeys(waiting, _unanswered(server, error)))


async def _collect(
    sock: socket.socket, server: Server, waiting: Questions, replies: Replies, until_ns: int
) -> None:
    """Read until nothing is waiting any more, or the grace after the first addresses is over.

    Raises: OSError; TimeoutError.
    """
    grace_ends_ns = until_ns
    odd = 0
    while waiting:
        await readable(sock, min(until_ns, grace_ends_ns))
        for datagram, at_ns, _ in datagrams(sock, until_ns):
            if not any(question.is_numbered(datagram) for question in waiting.values()):
                continue
            found = _plain(datagram, waiting, server, at_ns)
            found = found or await _odd(datagram, waiting, server, at_ns, until_ns)
            if found is None:
                odd = heard_odd(odd)
                continue
            kind, reply = found
            del waiting[kind]
            replies[kind] = reply
            if waiting and reply.addresses:
                grace_ends_ns = time.monotonic_ns() + _OTHER_FAMILY_NS


def _plain(
    datagram: bytes, waiting: Questions, server: Server, at_ns: int
) -> tuple[RdataType, Reply] | None:
    for kind, question in waiting.items():
        addresses = question.plain_answer(datagram)
        if addresses is not None:
            return kind, Reply(at_ns, addresses) if addresses else nothing(at_ns, kind)
        rcode = question.plain_error(datagram)
        if rcode is not None:
            return kind, refused(at_ns, rcode, server)
    return None


async def _odd(
    datagram: bytes, waiting: Questions, server: Server, at_ns: int, until_ns: int
) -> tuple[RdataType, Reply] | None:
    """Read what is no plain answer; None: it is no answer at all."""
    # Megabytes and a moment, for what many an agent never sees.
    from agent import dns_answer

    match = partial(dns_answer.match, waiting=waiting)
    kind, message = await dns_answer.aside(datagram, match)
    if kind is None:
        return None
    if message is None:
        try:
            message, took_ns = await dns_answer.ask_by_tcp(server, waiting[kind].message, until_ns)
        except OSError as error:
            return kind, _unanswered(server, error)
        # Turning to TCP takes the agent a moment, the first time a long one: that is not counted.
        at_ns += took_ns
    return kind, dns_answer.read(message, kind, server, at_ns)


def heard_odd(odd: int) -> int:
    """Count one more datagram that is no answer. Raises: OSError, for it was one too many."""
    if odd >= ODD_MAX:
        raise OSError("it sends what is no answer to the question")
    return odd + 1


def nothing(at_ns: int, kind: RdataType) -> Reply:
    """Word that a name has no record of a type."""
    return Reply(at_ns, problem=Code.DNS_NO_ADDRESS, detail=f"no {kind.name} record")


def refused(at_ns: int, rcode: int, server: Server) -> Reply:
    """Word an answer that is an error."""
    problem = _PROBLEMS.get(Rcode.make(rcode), Code.DNS_BAD_ANSWER)
    is_certain = problem is Code.DNS_NXDOMAIN
    detail = "no such name" if is_certain else f"{server[0]} answered {Rcode.to_text(rcode)}"
    return Reply(at_ns, problem=problem, detail=detail)


def is_final(reply: Reply | None) -> bool:
    """Tell whether another server would be expected to say the same; None is no reply yet."""
    certain = (None, Code.DNS_NXDOMAIN, Code.DNS_NO_ADDRESS)
    return reply is not None and reply.problem in certain


def _unanswered(server: Server, error: OSError) -> Reply:
    """Word that a server did not answer."""
    problem, words = Code.DNS_UNREACHABLE, f"{server[0]}: {error.strerror or error}"
    if isinstance(error, TimeoutError):
        problem, words = Code.DNS_TIMEOUT, f"{server[0]} did not answer in time"
    return Reply(time.monotonic_ns(), problem=problem, detail=words)
