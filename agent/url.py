"""Which URLs can be probed, and how each is written. Pure.

Source: RFC 3986; WHATWG URL (a host that ends in a number is an IPv4 address or an error).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

import idna

MAX_LENGTH = 2048

_DEFAULT_PORTS = {"http": 80, "https": 443}
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\x9f\s]")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Everything RFC 3986 lets stand in a path or query, and % for what is already encoded.
_SAFE = "%/?:@!$&'()*+,;=-._~[]|"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a normalised URL leads; ``address``: the host, when it is one and not a name."""

    url: str
    scheme: str
    host: str
    port: int
    is_tls: bool
    address: IPv4Address | IPv6Address | None


def check_url(url: str) -> str:
    """Return the URL as it will be requested: host in lower case and punycode, no fragment.

    Raises: ValueError naming what makes it unusable, and what to write instead.
    """
    return target_of(url).url


@lru_cache(maxsize=4096)
def target_of(url: str) -> Target:
    """Take a URL apart, as ``check_url`` does."""
    if len(url) > MAX_LENGTH:
        raise ValueError(f"The URL has {len(url)} characters; the limit is {MAX_LENGTH}.")
    if found := _UNPRINTABLE.search(url):
        raise ValueError(
            f"The URL {url!r} contains {found.group()!r} at character {found.start() + 1}; "
            "write spaces as %20 and leave out control characters."
        )
    parts = _split(url)
    host, address = _host(parts.hostname or "", url)
    port = _port(parts, url)
    shown_host = f"[{host}]" if isinstance(address, IPv6Address) else host
    shown_port = "" if port == _DEFAULT_PORTS[parts.scheme] else f":{port}"
    normal = urlunsplit(
        (
            parts.scheme,
            shown_host + shown_port,
            quote(parts.path or "/", safe=_SAFE),
            quote(parts.query, safe=_SAFE),
            "",
        )
    )
    if len(normal) > MAX_LENGTH:
        raise ValueError(
            f"The URL has {len(normal)} characters once encoded; the limit is {MAX_LENGTH}."
        )
    return Target(normal, parts.scheme, host, port, parts.scheme == "https", address)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ValueError(f"The URL {url!r} cannot be read: {error}.") from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError(f"The URL {url!r} must begin with http:// or https://.")
    if not parts.hostname:
        raise ValueError(f"The URL {url!r} names no host; write {parts.scheme}://host/path.")
    if "@" in parts.netloc:
        raise ValueError(
            f"The URL for {parts.hostname!r} contains credentials; leave out what is before the @."
        )
    return parts


def _port(parts: SplitResult, url: str) -> int:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError(f"The URL {url!r} has an unusable port; use a number from 1 to 65535.")
    return port or _DEFAULT_PORTS[parts.scheme]


def _host(host: str, url: str) -> tuple[str, IPv4Address | IPv6Address | None]:
    if ":" in host:
        return _ipv6(host, url)
    name = host if host.isascii() else _punycode(host, url)
    name = name.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"The URL {url!r} has the host {host!r}, which is no valid host name.")
    if not _NUMBER.fullmatch(labels[-1]):
        return name, None
    try:
        return name, IPv4Address(name)
    except ValueError:
        raise ValueError(
            f"The URL {url!r} has the host {host!r}, which is no IPv4 address; "
            "write it as four numbers, such as 192.0.2.1."
        ) from None


def _ipv6(host: str, url: str) -> tuple[str, IPv6Address]:
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    if not isinstance(address, IPv6Address) or address.scope_id is not None:
        raise ValueError(f"The URL {url!r} has the host {host!r}, which is no IPv6 address.")
    return str(address), address


def _punycode(host: str, url: str) -> str:
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise ValueError(
            f"The URL {url!r} has the host {host!r}, which is no valid host name: {error}."
        ) from error
