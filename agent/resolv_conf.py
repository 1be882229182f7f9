"""What the machine says about looking names up: resolv.conf and the hosts file. Pure parsing.

Source: resolv.conf(5), hosts(5).
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from vantage.url import is_address

Address = IPv4Address | IPv6Address
Server = tuple[str, int]

# glibc's own limits and defaults.
_MAX_SERVERS = 3
_MAX_TIMEOUT_S = 30
_MAX_ATTEMPTS = 5
_MAX_NDOTS = 15


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """Servers in the order they are asked; each waits ``timeout_s``, all in ``attempts`` rounds.

    ``rotates``: each lookup begins with the next of them.
    """

    servers: tuple[Server, ...] = (("127.0.0.1", 53),)
    search: tuple[str, ...] = ()
    ndots: int = 1
    timeout_s: float = 5.0
    attempts: int = 2
    rotates: bool = False

    def candidates(self, name: str) -> list[str]:
        """Names to try in turn: as given first if it has ``ndots`` dots, else last."""
        if name.endswith("."):
            return [name.rstrip(".")]
        searched = [f"{name}.{suffix}" for suffix in self.search]
        if name.count(".") >= self.ndots:
            return [name, *searched]
        return [*searched, name]


def parse_resolv_conf(text: str) -> ResolvConf:
    """Read resolv.conf; what cannot be understood is passed over, as the C library does."""
    servers: list[Server] = []
    search: tuple[str, ...] = ()
    options: dict[str, int] = {}
    rotates = False
    for line in text.splitlines():
        keyword, *values = line.split("#")[0].split(";")[0].split() or [""]
        if keyword == "nameserver" and values and is_address(values[0]):
            servers.append((values[0], 53))
        elif keyword in ("search", "domain"):
            search = tuple(value.rstrip(".") for value in values if value.rstrip("."))
        elif keyword == "options":
            options |= _numbers(values)
            rotates = rotates or "rotate" in values
    return ResolvConf(
        servers=tuple(servers[:_MAX_SERVERS]) or ResolvConf().servers,
        search=search,
        ndots=min(options.get("ndots", 1), _MAX_NDOTS),
        timeout_s=float(min(max(options.get("timeout", 5), 1), _MAX_TIMEOUT_S)),
        attempts=min(max(options.get("attempts", 2), 1), _MAX_ATTEMPTS),
        rotates=rotates,
    )


def parse_hosts(text: str) -> dict[str, tuple[Address, ...]]:
    """Read a hosts file: name in lower case -> its addresses, in the file's order."""
    hosts: dict[str, tuple[Address, ...]] = {}
    for line in text.splitlines():
        address, *names = line.split("#")[0].split() or [""]
        if is_address(address):
            for name in names:
                key = name.lower().rstrip(".")
                hosts[key] = (*hosts.get(key, ()), ip_address(address))
    return hosts


def family_of(address: Address) -> socket.AddressFamily:
    """Return the socket family that reaches ``address``."""
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


def parse_server(text: str) -> Server:
    """Read a name server: an address, with a port or without; an IPv6 one with a port in brackets.

    Raises: ValueError.
    """
    match = re.fullmatch(r"(?:\[(.+)\]|([^:]+)):([0-9]+)", text)
    host, port = (match[1] or match[2], int(match[3])) if match else (text, 53)
    if not is_address(host) or not 0 < port < 65536:
        raise ValueError(
            f"The name server {text!r} is no address; write 192.0.2.53 or [2001:db8::53]:53."
        )
    return host, port


def _numbers(options: list[str]) -> dict[str, int]:
    pairs = (option.partition(":") for option in options)
    return {name: int(value) for name, _, value in pairs if value.isdecimal()}
