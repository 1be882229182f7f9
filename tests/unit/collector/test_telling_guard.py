"""Where channels may lead: public addresses, and what the operator allows."""

from __future__ import annotations

import socket
from ipaddress import ip_network

import pytest

from agent.guard import Guard as AgentsGuard
from collector.errors import CollectorError
from collector.telling.destination import Destination
from collector.telling.guard import Guard, Refused

ADDRESSES = """
1.1.1.1 93.184.216.34 10.0.0.1 100.64.0.1 127.0.0.1 169.254.169.254 168.63.129.16 172.16.0.1
172.32.0.1 192.0.0.8 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.9 224.0.0.1
255.255.255.255 0.0.0.0 ::1 :: fe80::1 fc00::1 ff02::1 2001:db8::1 2001::1 2002:a9fe:a9fe:: 3fff::1
2606:4700::1111 64:ff9b::a9fe:a9fe 64:ff9b::101:101 ::ffff:127.0.0.1 ::ffff:1.1.1.1 2620:4f:8000::1
"""


@pytest.mark.parametrize("address", ADDRESSES.split())
def test_the_same_addresses_are_public_as_to_agents(address: str) -> None:
    assert Guard().is_allowed(address) == (AgentsGuard().refusal_of(address) is None)


def test_an_operator_allows_networks() -> None:
    guard = Guard([ip_network("10.0.0.0/8")])
    assert guard.is_allowed("10.1.2.3")
    assert guard.is_allowed("::ffff:10.1.2.3")
    assert not guard.is_allowed("192.168.0.1")


def test_it_is_judged_where_sockets_connect() -> None:
    with socket.socket() as sock, socket.socket(socket.AF_UNIX) as local:
        with pytest.raises(Refused, match="not a public"):
            Guard().check("socket.connect", (sock, ("127.0.0.1", 80)))
        with pytest.raises(Refused):
            Guard().check("socket.sendto", (sock, ("127.0.0.1", 514)))
        Guard().check("socket.connect", (local, "/run/some.sock"))
        Guard().check("socket.connect", (sock, ("1.1.1.1", 443)))
        Guard().check("open", ("/etc/passwd", "r", 0))


@pytest.mark.parametrize(
    ("address", "kind", "hint"),
    [
        ("ann@acme.example", "mail", "ann@acme.example"),
        ("https://hooks.example/secret/part?x=1", "webhook", "https://hooks.example"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/", "service", "slack"),
    ],
)
def test_what_people_type_is_recognised(address: str, kind: str, hint: str) -> None:
    destination = Destination.of(f" {address} ")
    assert (destination.kind, destination.hint) == (kind, hint)
    assert "secret/part" not in repr(destination)
    assert Destination.decode(kind, destination.encode()) == destination
    assert destination.secret.startswith("whsec_") == (kind == "webhook")


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("ann at acme", "no address"),
        ("https://", "https://host"),
        ("https://user:pass@host/", "without a user name"),
        ("nonsense://key", "nonsense:// with what follows is no service"),
        ("slack://", "no service that can be told"),
        ("syslog://", "no service that can be told"),
        ("https://[::1", "cannot be read"),
    ],
)
def test_what_cannot_be_told_is_said_without_its_secrets(address: str, sentence: str) -> None:
    with pytest.raises(CollectorError, match=sentence.replace("(", "\\(")) as caught:
        Destination.of(address)
    assert "pass@" not in str(caught.value)
