"""Questions to name servers, and the plain answers to them, at little cost.

A plain answer is what nearly all are: to this very question, whole, and either an error or with
addresses at the end of a chain of aliases, or with nothing at all. dnspython reads every other one
(agent.dns_answer); it takes 5 MB of memory, and is loaded when the first of them comes.

Source: RFC 1035, section 4.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from os import urandom
from typing import TYPE_CHECKING, cast

from dns.rdatatype import RdataType

from agent.resolv_conf import Address

if TYPE_CHECKING:
    import dns.message

_ID_BYTES = 2
_HEADER = struct.Struct("!2sHHHHH")
_RECORD = struct.Struct("!HHIH")
# Is it an answer, to a query, cut short: of these only the first may be set.
_KIND_FLAGS, _WHOLE_ANSWER = 0xFA00, 0x8000
_RCODE = 0x000F
_IN = 1
# Recursion is desired; one question, and nothing else. What it asks about follows.
_ASKING = struct.pack("!HHHHH", 0x0100, 1, 0, 0, 0)
_QUESTION = struct.Struct("!HH")
_LABEL_BYTES_MAX, _NAME_BYTES_MAX = 63, 255
_POINTER = 0xC0
# A name has 128 labels at most, and is cut in few places: what has more goes round in circles.
_PARTS_MAX = 160
_ALIASES_MAX = 16


class Question:
    """A question about one type of a name's records; ``wire``: as it is sent."""

    __slots__ = ("kind", "wire")

    def __init__(self, name: str, kind: RdataType) -> None:
        """Raises: ValueError when no message can hold the name."""
        self.kind = kind
        # A number that nobody can guess, so that nobody can forge the answer.
        self.wire = urandom(_ID_BYTES) + _wording(name, kind)

    @property
    def message(self) -> dns.message.QueryMessage:
        """The same for dnspython."""
        import dns.message

        return cast("dns.message.QueryMessage", dns.message.from_wire(self.wire))

    def is_numbered(self, wire: bytes) -> bool:
        """Tell whether a message has this question's number: who was not asked must guess it."""
        return wire[:_ID_BYTES] == self.wire[:_ID_BYTES]

    def plain_answer(self, wire: bytes) -> tuple[Address, ...] | None:
        """Return the addresses in a plain answer, maybe none; None: an error, or not plain."""
        try:
            return self._addresses(wire)
        except (IndexError, struct.error, ValueError):
            return None

    def plain_error(self, wire: bytes) -> int | None:
        """Return the RCODE of a plain answer that is an error; None: it is none, or not plain."""
        rcode, _ = self._header(wire) or (0, 0)
        return rcode or None

    def _header(self, wire: bytes) -> tuple[int, int] | None:
        """Return the RCODE and the number of records; None: no whole answer to this question."""
        if len(wire) < len(self.wire):
            return None
        number, flags, questions, answers, _, _ = _HEADER.unpack_from(wire)
        if (
            number != self.wire[:_ID_BYTES]
            or flags & _KIND_FLAGS != _WHOLE_ANSWER
            or questions != 1
            or wire[_HEADER.size : len(self.wire)] != self.wire[_HEADER.size :]
        ):
            return None
        return flags & _RCODE, answers

    def _addresses(self, wire: bytes) -> tuple[Address, ...] | None:
        header = self._header(wire)
        if header is None or header[0]:
            return None
        answers, at = header[1], len(self.wire)
        addresses: dict[bytes, list[Address]] = {}
        aliases: dict[bytes, bytes] = {}
        for _ in range(answers):
            owner, at = _name(wire, at)
            kind, network, _, length = _RECORD.unpack_from(wire, at)
            at += _RECORD.size
            if network != _IN or at + length > len(wire):
                return None
            if kind == self.kind:
                addresses.setdefault(owner, []).append(_address(wire[at : at + length]))
            elif kind == RdataType.CNAME:
                aliases[owner], _ = _name(wire, at)
            at += length
        if not answers:
            return ()
        owner, _ = _name(wire, _HEADER.size)
        for _ in range(_ALIASES_MAX):
            if owner in addresses:
                return tuple(addresses[owner])
            owner = aliases.get(owner, b"")
        return None


@lru_cache(maxsize=4096)
def _wording(name: str, kind: RdataType) -> bytes:
    octets = bytearray(_ASKING)
    for label in name.removesuffix(".").encode("ascii").split(b"."):
        if not 0 < len(label) <= _LABEL_BYTES_MAX:
            raise ValueError(f"{name!r} has a label of {len(label)} bytes")
        octets.append(len(label))
        octets += label
    octets.append(0)
    if len(octets) - len(_ASKING) > _NAME_BYTES_MAX:
        raise ValueError(f"{name!r} is too long for a name")
    return bytes(octets) + _QUESTION.pack(kind, _IN)


def _name(wire: bytes, at: int) -> tuple[bytes, int]:
    """Read a name that may end elsewhere in the message; return it, and where what follows is.

    Raises: IndexError, ValueError: what is there is no name.
    """
    labels = []
    after = 0
    for _ in range(_PARTS_MAX):
        length = wire[at]
        if length >= _POINTER:
            after = after or at + 2
            earlier = (length - _POINTER) << 8 | wire[at + 1]
            if earlier >= at:
                raise ValueError("a name that points ahead")
            at = earlier
        elif length > _LABEL_BYTES_MAX:
            raise ValueError("a label of a kind that nobody uses")
        elif length:
            labels.append(wire[at : at + length + 1])
            at += length + 1
        else:
            return b"".join(labels).lower(), after or at + 1
    raise ValueError("a name that does not end")


def _address(packed: bytes) -> Address:
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)
