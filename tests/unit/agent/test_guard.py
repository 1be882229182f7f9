from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.guard import Guard

PUBLIC = [
    "1.1.1.1",
    "93.184.216.34",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "223.255.255.255",
    "2606:4700::1111",
    "2001:4860:4860::8888",
    "64:ff9b::1.1.1.1",
    "::ffff:1.1.1.1",
]

FORBIDDEN = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.255",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::a9fe:a9fe",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:a9fe:a9fe::",
    "2002:101:101::1",
    "3fff::1",
    "4000::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_probed(address: str) -> None:
    assert Guard().refusal(ip_address(address)) is None


@pytest.mark.parametrize("address", FORBIDDEN)
def test_other_addresses_may_not(address: str) -> None:
    assert Guard().refusal(ip_address(address)) is not None


def test_the_refusal_names_address_range_and_remedy() -> None:
    assert Guard().refusal(ip_address("10.1.2.3")) == (
        "10.1.2.3 is in 10.0.0.0/8 (private), which this agent may not probe; "
        "to permit it, start the agent with --allow-network 10.1.2.3/32"
    )
    refusal = Guard().refusal(ip_address("::ffff:127.0.0.1"))
    assert refusal is not None
    assert "127.0.0.0/8" in refusal
    assert "--allow-network 127.0.0.1/32" in refusal


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3"])
def test_an_allowed_network_is_an_exception_however_it_is_written(address: str) -> None:
    guard = Guard([ip_network("10.1.0.0/16")])
    assert guard.refusal(ip_address(address)) is None
    assert guard.refusal(ip_address("10.2.0.0")) is not None


@given(address=st.ip_addresses(v=4))
def test_clothes_change_nothing(address: IPv4Address) -> None:
    is_bare_refused = Guard().refusal(address) is not None
    for prefix in ("::ffff:0:0", "64:ff9b::"):
        dressed = IPv6Address(int(IPv6Address(prefix)) | int(address))
        assert (Guard().refusal(dressed) is not None) == is_bare_refused


@given(address=st.ip_addresses(v=6))
def test_nothing_local_passes_for_public(address: IPv6Address) -> None:
    is_local = address.is_private or address.is_link_local or address.is_multicast
    bare = address.ipv4_mapped or address
    if is_local and not (bare.version == 4 and bare.is_global):
        assert Guard().refusal(address) is not None
