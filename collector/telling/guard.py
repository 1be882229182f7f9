"""Which addresses people's channels may make us connect to: they type the URLs.

Public ones, and those that the operator allows, as agents do it (docs/agents.md). It is judged
where Python connects, after names are resolved, whatever library does it.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network

# The special-purpose registries of IANA (RFC 6890), multicast, and a cloud's metadata service.
SPECIAL_V4 = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12
192.0.0.0/24 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16
192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
"""
SPECIAL_V6 = "2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20"
FORBIDDEN_V4 = tuple(map(IPv4Network, SPECIAL_V4.split()))
FORBIDDEN_V6 = tuple(map(IPv6Network, SPECIAL_V6.split()))
PUBLIC_V6 = IPv6Network("2000::/3")
# An IPv4 address in IPv6 clothes (mapped; NAT64, RFC 6052) is judged as what it stands for.
CLOTHES = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))


class Refused(OSError):
    """Connecting there is not allowed."""


class Guard:
    """Judges addresses; ``allow``: networks that may be connected to although not public."""

    def __init__(self, allow: Sequence[Network] = ()) -> None:
        self.allow = tuple(allow)

    def is_allowed(self, text: str) -> bool:
        """Whether this address may be connected to."""
        address: IPv4Address | IPv6Address = ip_address(text.partition("%")[0])
        bare = address
        if isinstance(address, IPv6Address) and any(address in each for each in CLOTHES):
            bare = IPv4Address(int(address) & 0xFFFFFFFF)
        if any(address in network or bare in network for network in self.allow):
            return True
        if isinstance(bare, IPv4Address):
            return not any(bare in network for network in FORBIDDEN_V4)
        return bare in PUBLIC_V6 and not any(bare in network for network in FORBIDDEN_V6)

    def check(self, event: str, arguments: tuple[object, ...]) -> None:
        """Stop what would connect, or send, elsewhere; an audit hook. Raises: Refused."""
        if event not in ("socket.connect", "socket.sendto"):
            return
        sock, target = arguments[0], arguments[-1]
        if not isinstance(sock, socket.SocketType) or not isinstance(target, tuple):
            return  # a socket of this machine's file system
        if not self.is_allowed(str(target[0])):
            raise Refused(f"{target[0]} is not a public address")

    def install(self) -> None:
        """Guard this process from now on, for ever."""
        sys.addaudithook(self.check)
