"""Ports that listeners keep are none that outgoing connections are given."""

from __future__ import annotations

import socket
from pathlib import Path

from collector.ports import free_ports


def test_free_ports_are_consecutive_and_below_those_of_outgoing_connections() -> None:
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(20):
        port = free_ports(2)
        # Where nearly every port is given to connections, none is better than another.
        assert port + 1 < first_outgoing or first_outgoing <= 20_000
        for each in (port, port + 1):
            with socket.create_server(("127.0.0.1", each)):
                pass
