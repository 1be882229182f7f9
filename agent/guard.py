"""Which addresses a probe may touch: customers type the URLs. Pure.

An own table, because ``ipaddress.is_global`` calls several dangerous ranges public (multicast,
NAT64 and 6to4 forms of private addresses, a cloud's metadata service at 168.63.129.16).

Source: IANA special-purpose address registries (RFC 6890 and its updates).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_FORBIDDEN_V4: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(network), meaning)
    for network, meaning in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by carriers"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "cloud metadata"),
        ("169.254.0.0/16", "link-local, cloud metadata"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "AS112"),
        ("192.52.193.0/24", "AMT"),
        ("192.88.99.0/24", "6to4 relays"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "AS112"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved, broadcast"),
    )
)

# Of IPv6 only 2000::/3 is the public Internet, less these ranges inside it; the others are here for
# their names.
_PUBLIC_V6 = IPv6Network("2000::/3")
_FORBIDDEN_V6: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(network), meaning)
    for network, meaning in (
        ("2001::/23", "protocol assignments, Teredo"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("2620:4f:8000::/48", "AS112"),
        ("3fff::/20", "documentation"),
        ("::1/128", "loopback"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("ff00::/8", "multicast"),
    )
)

# An IPv4 address in IPv6 clothes (mapped; NAT64, RFC 6052) is judged as what it stands for.
_CLOTHES = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))


class Guard:
    """Judges addresses: public ones may be probed, and those in ``allow``.

    ``refusal``: say why an address must not be touched, with the remedy; None: it may be.
    ``refusal_of``: the same of an address in text.
    """

    def __init__(self, allow: Sequence[Network] = ()) -> None:
        self._allow = tuple(allow)
        # An address is judged twice for every probe of it, and the verdict never changes.
        self.refusal = lru_cache(maxsize=4096)(self._judge)
        self.refusal_of = lru_cache(maxsize=4096)(self._judge_text)

    def _judge_text(self, text: str) -> str | None:
        """Judge an address as libcurl writes it."""
        return self._judge(read_address(text))

    def _judge(self, address: Address) -> str | None:
        bare = _undress(address)
        place = _forbidden_place(bare)
        if place is None or any(bare in n or address in n for n in self._allow):
            return None
        return (
            f"{address} is {place}, which this agent may not probe; "
            f"to permit it, start the agent with --allow-network {bare}/{bare.max_prefixlen}"
        )


def read_address(text: str) -> Address:
    """Read what libcurl or the kernel wrote; an IPv6 address may name its interface."""
    return ip_address(text.partition("%")[0])


def _undress(address: Address) -> Address:
    if isinstance(address, IPv6Address) and any(address in network for network in _CLOTHES):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _forbidden_place(address: Address) -> str | None:
    table = _FORBIDDEN_V4 if isinstance(address, IPv4Address) else _FORBIDDEN_V6
    for network, meaning in table:
        if address in network:
            return f"in {network} ({meaning})"
    if isinstance(address, IPv6Address) and address not in _PUBLIC_V6:
        return f"outside {_PUBLIC_V6} (the public Internet)"
    return None
