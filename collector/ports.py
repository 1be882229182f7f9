"""TCP ports of this machine: is one free, which are."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

from collector.errors import CollectorError

_LOWEST = 10_000
_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")


def must_be_free(host: str, port: int, remedy: str) -> None:
    """Raises: CollectorError when the port is in use or may not be used."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CollectorError(
                f"Port {port} cannot be used: {error.strerror}. Choose another with {remedy}."
            ) from error


def free_ports(count: int) -> int:
    """Return the first of ``count`` consecutive ports of loopback that are free now.

    They are none that the kernel gives to outgoing connections: one of those could be taken before
    a listener comes to it, or while it is being restarted. Source: ip_local_port_range, ip(7).
    """
    while True:
        port = _LOWEST + secrets.randbelow(_first_outgoing() - count - _LOWEST)
        try:
            for offset in range(count):
                must_be_free("127.0.0.1", port + offset, "")
        except CollectorError:
            continue
        return port


def _first_outgoing() -> int:
    """Return the first port of outgoing connections, or the last of all where few are below it."""
    try:
        first = int(_OUTGOING.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        first = 32_768
    return first if first > 2 * _LOWEST else 65_536
