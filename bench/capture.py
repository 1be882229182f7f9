"""What was on the wire: every packet on a device, stamped by the kernel, and what that says.

Nothing is read before the run is over, so that the capture takes no processor from it; the kernel
keeps the packets meanwhile. Probes are told apart by the names they ask for: p17.bench.example is
in the lookup, in the ClientHello and in the Host header alike.

Source: packet(7), socket(7) for SO_TIMESTAMPNS; RFC 8446, section 2, for whose turn it is.
"""

from __future__ import annotations

import re
import socket
import struct
from collections import defaultdict
from dataclasses import dataclass, field

DOMAIN = "bench.example"

_ETH_P_ALL, _PACKET_OUTGOING = 0x0003, 4
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_SO_TIMESTAMPNS, _SO_RCVBUFFORCE = 35, 33
_KEPT_BYTES = 768 * 1024 * 1024
_READ_BYTES = 2048
_ETHERNET = 14
_NAME = re.compile(rb"[\x02-\x08]p(\d{1,7})(?:\x05bench|\.bench)|p(\d{1,7})\.bench")
_TCP, _UDP = 6, 17
_SYN, _ACK = 0x02, 0x10


@dataclass(frozen=True, slots=True)
class Truth:
    """How long each phase of a probe took on its own machine's wire, in microseconds.

    ``tls``: from the ClientHello to the last of what answers it, so without what the client
    computes. None: the packets were not all seen.
    """

    dns: float | None
    connect: float
    tls: float | None
    wait: float
    receive: float


@dataclass(slots=True)
class _Flow:
    """When the packets of one connection went and came, without those sent again."""

    syn_ns: list[int] = field(default_factory=list)
    answered_ns: int = 0
    out: list[int] = field(default_factory=list)
    came: list[int] = field(default_factory=list)
    ended: dict[bool, int] = field(default_factory=dict)

    def is_news(self, is_out: bool, sequence: int, length: int) -> bool:
        """Whether a segment is not one sent again; what was there before does not end later."""
        end, before = sequence + length, self.ended.get(is_out, sequence)
        if 0 < (end - before) & 0xFFFFFFFF < 1 << 31:
            self.ended[is_out] = end
            return True
        return False


class Capture:
    """Listens on ``device`` from when it is made."""

    def __init__(self, device: str) -> None:
        self._socket = socket.socket(
            socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(_ETH_P_ALL)
        )
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _KEPT_BYTES)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind((device, _ETH_P_ALL))

    def truths(self, port: int, dns_port: int, *, is_tls: bool) -> dict[int, Truth]:
        """Stop, and return what was true of each probe of ``port``, by its number."""
        flows: dict[int, _Flow] = defaultdict(_Flow)
        number_of: dict[int, int] = {}
        asked: dict[int, int] = {}
        told: dict[int, int] = {}
        for at_ns, is_out, protocol, source, destination, tcp, payload in self._packets():
            if protocol == _UDP and dns_port == (destination if is_out else source):
                if (found := _number(payload)) is None:
                    continue
                if is_out:
                    asked.setdefault(found, at_ns)
                else:  # of both families, the one that came last is waited for
                    told[found] = at_ns
            elif protocol == _TCP and is_out and destination == port:
                _sent(flows[source], at_ns, tcp, payload)
                if source not in number_of and (found := _number(payload)) is not None:
                    number_of[source] = found
            elif protocol == _TCP and not is_out and source == port:
                _received(flows[destination], at_ns, tcp, payload)
        truths = {}
        for client, number in number_of.items():
            dns = (told[number] - asked[number]) / 1000 if number in told else None
            if (truth := _truth(flows[client], dns, is_tls=is_tls)) is not None:
                truths[number] = truth
        return truths

    def _packets(self) -> list[tuple[int, bool, int, int, int, tuple[int, int], bytes]]:
        packets = []
        while True:
            try:
                frame, ancillary, _, address = self._socket.recvmsg(_READ_BYTES, 64)
            except BlockingIOError:
                break
            if frame[12:14] != b"\x08\x00":
                continue
            seconds, nanoseconds = struct.unpack("@ll", ancillary[0][2])
            words = (frame[_ETHERNET] & 0x0F) * 4 + _ETHERNET
            length = int.from_bytes(frame[_ETHERNET + 2 : _ETHERNET + 4], "big") + _ETHERNET
            protocol = frame[_ETHERNET + 9]
            source, destination = struct.unpack_from("!HH", frame, words)
            tcp, head = (0, 0), 8
            if protocol == _TCP:
                sequence = int.from_bytes(frame[words + 4 : words + 8], "big")
                tcp, head = (sequence, frame[words + 13]), (frame[words + 12] >> 4) * 4
            # Padding is no payload; a length of 0 is that of a packet too large to say.
            payload = frame[words + head : length if length > _ETHERNET else None]
            packets.append((
                seconds * 1_000_000_000 + nanoseconds, address[2] == _PACKET_OUTGOING,
                protocol, source, destination, tcp, payload,
            ))  # fmt: skip
        lost = struct.unpack("II", self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))[1]
        self._socket.close()
        if lost:
            raise SystemExit(f"The capture lost {lost} packets: nothing is known for certain.")
        return packets


def _number(payload: bytes) -> int | None:
    found = _NAME.search(payload)
    return int(found[1] or found[2]) if found else None


def _sent(flow: _Flow, at_ns: int, tcp: tuple[int, int], payload: bytes) -> None:
    sequence, flags = tcp
    if flags & _SYN:
        flow.syn_ns.append(at_ns)
    elif payload and flow.is_news(True, sequence, len(payload)):
        flow.out.append(at_ns)


def _received(flow: _Flow, at_ns: int, tcp: tuple[int, int], payload: bytes) -> None:
    sequence, flags = tcp
    if flags & _SYN:
        flow.answered_ns = flow.answered_ns or at_ns
    elif payload and flow.is_news(False, sequence, len(payload)):
        flow.came.append(at_ns)


def _truth(flow: _Flow, dns: float | None, *, is_tls: bool) -> Truth | None:
    """None: it was cut off, or the connection had to be asked for twice."""
    if len(flow.syn_ns) != 1 or not flow.answered_ns or not flow.out or not flow.came:
        return None
    tls = None
    answers = flow.came
    requested_ns = flow.out[-1]
    if is_tls:
        # The client's second turn begins when it has all of the server's first.
        second_ns = next((at for at in flow.out if at > flow.came[0]), 0)
        if not second_ns:
            return None
        tls = (max(at for at in flow.came if at < second_ns) - flow.out[0]) / 1000
        answers = [at for at in flow.came if at > second_ns]
        if answers:
            requested_ns = max(at for at in flow.out if at < answers[0])
            # What comes after the client closed is no answer.
            closed_ns = next((at for at in flow.out if at > answers[0]), answers[-1])
            answers = [at for at in answers if at <= closed_ns]
    if not answers or answers[0] < requested_ns:
        return None
    return Truth(
        dns=dns,
        connect=(flow.answered_ns - flow.syn_ns[0]) / 1000,
        tls=tls,
        wait=(answers[0] - requested_ns) / 1000,
        receive=(answers[-1] - answers[0]) / 1000,
    )
