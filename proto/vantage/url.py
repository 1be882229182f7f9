"""Which URLs can be watched, and how each is written. Pure.

Source: RFC 3986; WHATWG URL (a host that ends in a number is an IPv4 address or an error);
RFC 4501 for the form of dns URLs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from vantage.scheme import HTTP, NO_PORT, SCHEMES, TLS, WEBSOCKET

MAX_LENGTH = 2048

DNS_TYPES = (
    *("A", "AAAA", "CAA", "CNAME", "DNSKEY", "DS", "HTTPS", "MX", "NAPTR"),
    *("NS", "PTR", "SOA", "SRV", "SVCB", "TLSA", "TXT"),
)

_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\x9f\s]")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Everything RFC 3986 lets stand in a path or query, and % for what is already encoded.
_SAFE = "%/?:@!$&'()*+,;=-._~[]|"
_NAME = re.compile(r"(?=.{1,254}$)(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?|\.")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a normalised URL leads; ``address``: the host, when it is one and not a name.

    ``name``, ``type``: what a dns URL asks about; empty for every other scheme. ``port``: 0: there
    is none.
    """

    url: str
    scheme: str
    host: str
    port: int
    is_tls: bool
    address: IPv4Address | IPv6Address | None
    name: str = ""
    type: str = ""


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
        raise _unusable(
            url,
            f"contains {found.group()!r} at character {found.start() + 1}; "
            "write spaces as %20 and leave out control characters.",
        )
    parts = _split(url)
    host, address = _host(parts.hostname or "", url)
    port = _port(parts, url)
    shown_host = f"[{host}]" if isinstance(address, IPv6Address) else host
    shown_port = "" if port == SCHEMES[parts.scheme] else f":{port}"
    path, query, name, record_type = parts.path, parts.query, "", ""
    if parts.scheme == "dns":
        name, record_type = _question(parts, url)
        path, query = f"/{name}", f"type={record_type}"
    elif parts.scheme in (*HTTP, *WEBSOCKET):
        path, query = quote(path or "/", safe=_SAFE), quote(query, safe=_SAFE)
    elif path not in ("", "/") or query:
        raise _unusable(
            url,
            f"has a path, which {parts.scheme} has no use for; "
            f"write {parts.scheme}://{shown_host}{shown_port}.",
        )
    else:
        path = ""
    normal = urlunsplit((parts.scheme, shown_host + shown_port, path, query, ""))
    if len(normal) > MAX_LENGTH:
        raise ValueError(
            f"The URL has {len(normal)} characters once encoded; the limit is {MAX_LENGTH}."
        )
    is_tls = parts.scheme in TLS
    return Target(normal, parts.scheme, host, port, is_tls, address, name, record_type)


def is_address(text: str) -> bool:
    """Tell whether it is an IPv4 or IPv6 address, without brackets."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _unusable(url: str, why: str) -> ValueError:
    """Make the error: a sentence without the URL's user name and password."""
    shown = re.sub(r"^(\w+://)?[^/?#]*@", r"\1…@", url)[:200]
    return ValueError(f"The URL {shown!r} {why}")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        # Its own words may hold all of the authority, a password included.
        raise _unusable(url, "has a host that cannot be read.") from error
    if parts.scheme not in SCHEMES or not url[len(parts.scheme) :].startswith("://"):
        others = ", ".join(scheme for scheme in SCHEMES if scheme not in HTTP)
        raise _unusable(url, f"must begin with http:// or https://, or with one of {others}.")
    if not parts.hostname:
        raise _unusable(url, f"names no host; write {_example(parts.scheme)}.")
    if "@" in parts.netloc:
        raise ValueError(
            f"The URL for {parts.hostname!r} contains credentials; leave out what is before the @."
        )
    return parts


def _example(scheme: str) -> str:
    if scheme == "dns":
        return "dns://resolver/name?type=A"
    if scheme in (*HTTP, *WEBSOCKET):
        return f"{scheme}://host/path"
    return f"{scheme}://host" + (":port" if SCHEMES[scheme] is None else "")


def _port(parts: SplitResult, url: str) -> int:
    usual = SCHEMES[parts.scheme]
    try:
        port = parts.port
    except ValueError:
        port = 0
    if usual == NO_PORT and port is not None:
        raise _unusable(url, f"has a port, and {parts.scheme} has none; leave it out.")
    if port == 0:
        raise _unusable(url, "has an unusable port; use a number from 1 to 65535.")
    port = port or usual
    if port is None:
        raise _unusable(url, f"names no port; write {_example(parts.scheme)}.")
    return port


def _question(parts: SplitResult, url: str) -> tuple[str, str]:
    """Read what a dns URL asks: a name, and the type of record, which is A if it does not say."""
    name = parts.path.removeprefix("/").lower()
    if not name.isascii():
        name = _punycode(name, url)
    if not _NAME.fullmatch(name):
        raise _unusable(
            url, f"asks about {name!r}, which is no domain name; write {_example('dns')}."
        )
    setting, _, record_type = (parts.query or "type=A").partition("=")
    record_type = record_type.upper()
    if setting != "type" or record_type not in DNS_TYPES:
        raise _unusable(
            url, f"asks for {parts.query!r}; write ?type= and one of {', '.join(DNS_TYPES)}."
        )
    return name, record_type


def _host(host: str, url: str) -> tuple[str, IPv4Address | IPv6Address | None]:
    if ":" in host:
        return _ipv6(host, url)
    name = host if host.isascii() else _punycode(host, url)
    name = name.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _unusable(url, f"has the host {host!r}, which is no valid host name.")
    if not _NUMBER.fullmatch(labels[-1]):
        return name, None
    try:
        return name, IPv4Address(name)
    except ValueError:
        raise _unusable(
            url,
            f"has the host {host!r}, which is no IPv4 address; "
            "write it as four numbers, such as 192.0.2.1.",
        ) from None


def _ipv6(host: str, url: str) -> tuple[str, IPv6Address]:
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    if not isinstance(address, IPv6Address) or address.scope_id is not None:
        raise _unusable(url, f"has the host {host!r}, which is no IPv6 address.")
    return str(address), address


def _punycode(host: str, url: str) -> str:
    # Most hosts are written in ASCII, and its tables are large.
    import idna

    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise _unusable(
            url, f"has the host {host!r}, which is no valid host name: {error}."
        ) from error
