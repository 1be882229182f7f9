"""TCP ports of this machine: is one free, which are."""

from __future__ import annotations

import socket

from collector.errors import CollectorError


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
    """Return the first of ``count`` consecutive ports of loopback that are free now."""
    while True:
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                for offset in range(1, count):
                    must_be_free("127.0.0.1", port + offset, "")
            except (CollectorError, OverflowError):
                continue
            return port
