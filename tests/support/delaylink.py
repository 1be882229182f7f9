"""A real network with a known round trip, for one program: no root, no installed tool but unshare.

    unshare --net python delaylink.py ONE_WAY_SECONDS PROGRAM [ARGUMENT ...]

`argv` words that: the links it makes belong in a network namespace that ends with PROGRAM. What it
serves on 10.77.0.1 it reaches as 10.77.0.2, each packet being one way too late: packets to
10.77.0.2 leave by one end of a veth pair; at the other end they are held, source and destination
address are swapped (which leaves every checksum valid), and they go back. So the client and the
server are one stack that does not notice. At 10.77.0.3 it is the same, but that of pings every
second one is lost.

Source: packet(7) and linux/virtio_net.h for checksums left to hardware, rtnetlink(7), netdevice(7).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import deque

HERE = "10.77.0.1"
THERE = "10.77.0.2"
LOSSY = "10.77.0.3"

# Names the reflector's process to the program, in its environment.
REFLECTOR = "DELAYLINK_REFLECTOR"

_NETMASK = "255.255.255.0"
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_SIOCSIFADDR, _SIOCSIFNETMASK = 0x8916, 0x891C
_IFF_UP, _IFF_NOARP = 0x1, 0x80
_ETH_P_IP = 0x0800
_SOL_PACKET, _PACKET_VNET_HDR = 263, 15
_VNET_HEADER, _ETHERNET_HEADER = 10, 14
_ADDRESSES = _VNET_HEADER + _ETHERNET_HEADER + 12
_DESTINATION = slice(_ADDRESSES + 4, _ADDRESSES + 8)
# Without options: addresses, type, code, checksum, identifier, number.
_PING_TYPE, _PING_NUMBER = _ADDRESSES + 8, _ADDRESSES + 15
_ECHO_REQUEST = 8
_ATTEMPTS, _PATIENCE_S = 100, 0.1
_PR_SET_PDEATHSIG, _PR_SET_TIMERSLACK = 1, 29


def argv(one_way_s: float, program: list[str]) -> list[str]:
    """Word the command that runs ``program`` behind the delay, as root or anyone else."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--net", sys.executable, __file__, str(one_way_s), *program]


def main() -> int:
    one_way_s = float(sys.argv[1])
    _make_veth("near", "far")
    _configure("lo", "127.0.0.1", "255.0.0.0")
    _configure("near", HERE, _NETMASK, _IFF_NOARP)
    _raise("far", _IFF_NOARP)
    # Where it may (root): what runs here goes before the machine's other work.
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    reflector = os.fork()
    if reflector == 0:
        die_with_parent()
        reflect("far", one_way_s)
    try:
        await_link(one_way_s)
        environment = {**os.environ, REFLECTOR: str(reflector)}
        return subprocess.run(sys.argv[2:], env=environment, check=False).returncode
    finally:
        os.kill(reflector, signal.SIGKILL)
        os.waitpid(reflector, 0)


def die_with_parent() -> None:
    """Be killed when the parent ends, however it does."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def await_link(one_way_s: float) -> None:
    """Wait until something comes back: for a while the kernel drops what a device is given that it
    says is up.

    Raises: TimeoutError: nothing ever does. Source: net/core/link_watch.c.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as echoed:
        echoed.bind((HERE, 0))
        echoed.connect((THERE, echoed.getsockname()[1]))
        for _ in range(_ATTEMPTS):
            echoed.send(b"?")
            if select.select([echoed], [], [], 2 * one_way_s + _PATIENCE_S)[0]:
                return
    raise TimeoutError("the link that was made brings nothing back")


def reflect(device: str, one_way_s: float) -> None:
    """Hold each packet for ``one_way_s``, then send it back with its addresses swapped."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_IP)) as wire:
        # The header says that a checksum is still to be computed; it goes back as it came.
        wire.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
        wire.bind((device, _ETH_P_IP))
        held: deque[tuple[float, bytes]] = deque()
        while True:
            patience = max(0.0, held[0][0] - time.monotonic()) if held else None
            if select.select([wire], [], [], patience)[0]:
                frame = wire.recv(131072)
                if not _is_lost(frame):
                    held.append((time.monotonic() + one_way_s, _swapped(frame)))
            while held and held[0][0] <= time.monotonic():
                wire.send(held.popleft()[1])


def _is_lost(frame: bytes) -> bool:
    return (
        frame[_DESTINATION] == socket.inet_aton(LOSSY)
        and frame[_PING_TYPE] == _ECHO_REQUEST
        and frame[_PING_NUMBER] % 2 == 0
    )


def _swapped(frame: bytes) -> bytes:
    at = _ADDRESSES
    return frame[:at] + frame[at + 4 : at + 8] + frame[at : at + 4] + frame[at + 8 :]


def _make_veth(near: str, far: str) -> None:
    """Ask the kernel for a veth pair (RTM_NEWLINK)."""
    peer = bytes(16) + _attribute(3, far.encode() + b"\0")
    link = _attribute(1, b"veth") + _attribute(2, _attribute(1, peer))
    body = bytes(16) + _attribute(3, near.encode() + b"\0") + _attribute(18, link)
    create, acknowledge, request, new_link = 0x400 | 0x200, 0x4, 0x1, 16
    flags = create | acknowledge | request
    header = struct.pack("=IHHII", 16 + len(body), new_link, flags, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.send(header + body)
        (error,) = struct.unpack_from("=i", netlink.recv(65536), 16)
    if error:
        raise OSError(-error, f"the kernel makes no veth pair: {os.strerror(-error)}")


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _configure(device: str, address: str, netmask: str, flags: int = 0) -> None:
    _raise(device, flags)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for request, value in ((_SIOCSIFADDR, address), (_SIOCSIFNETMASK, netmask)):
            inet = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(value))
            fcntl.ioctl(control, request, struct.pack("16s16s8x", device.encode(), inet))


def _raise(device: str, flags: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH22x", device.encode(), 0)
        (now,) = struct.unpack_from("H", fcntl.ioctl(control, _SIOCGIFFLAGS, request), 16)
        request = struct.pack("16sH22x", device.encode(), now | flags | _IFF_UP)
        fcntl.ioctl(control, _SIOCSIFFLAGS, request)


if __name__ == "__main__":
    sys.exit(main())
