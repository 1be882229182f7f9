"""Which URLs can be watched: as far as can be told before an agent takes them apart. Pure."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from collector.errors import CollectorError

URL_MAX = 2048

HTTP = ("http", "https")
WEBSOCKET = ("ws", "wss")
# Whose servers speak first, or answer a first message, and are asked for no more than that.
GREETING = (
    *("smtp", "smtps", "imap", "imaps", "pop3", "pop3s"),
    *("ftp", "ftps", "ssh", "sftp", "mqtt", "mqtts"),
)
TLS = ("https", "wss", "tls", "smtps", "imaps", "pop3s", "ftps", "mqtts")
SCHEMES = (*HTTP, *WEBSOCKET, "tcp", "tls", "dns", "icmp", *GREETING)
DNS_TYPES = (
    *("A", "AAAA", "CAA", "CNAME", "DNSKEY", "DS", "HTTPS", "MX", "NAPTR"),
    *("NS", "PTR", "SOA", "SRV", "SVCB", "TLSA", "TXT"),
)
_LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}$)({_LABEL}\.)*{_LABEL}")
# A host whose last label is a number is an IPv4 address (WHATWG URL), and agents take just one way
# of writing it.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"({_OCTET}\.){{3}}{_OCTET}")


def check_url(url: str) -> None:
    """Raise CollectorError, saying why, for a URL that no agent could probe."""
    why = None
    try:
        why = complaint(urlsplit(url))
    except ValueError as error:
        why = str(error)
    if len(url) > URL_MAX:
        why = f"it is longer than {URL_MAX} characters"
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        why = "it holds white space or a control character"
    if why is not None:
        raise CollectorError(f"{without_user(url)[:200]!r} cannot be watched: {why}.")


def without_user(url: str) -> str:
    """Return a URL less its user name and password, which no message may hold."""
    return re.sub(r"^(\w+:)?//[^/?#]*@", r"\1//…@", url)


def complaint(parts: SplitResult) -> str | None:
    """Say what is wrong with a URL taken apart; None: nothing."""
    scheme, host = parts.scheme, (parts.hostname or "").removesuffix(".")
    if scheme not in SCHEMES:
        others = ", ".join(each for each in SCHEMES if each not in HTTP)
        return f"it does not begin with http:// or https://, nor with one of {others}"
    if not parts.hostname:
        return "it names no host"
    # Of names in other letters agents make ASCII, and judge that.
    is_ipv6 = ":" in host
    if host.isascii() and not is_ipv6 and not _HOST_NAME.fullmatch(host):
        return "its host is no valid host name"
    is_number = _NUMBER.fullmatch(host.rpartition(".")[2]) is not None
    if is_number and not is_ipv6 and not _IPV4.fullmatch(host):
        return "its host is no IPv4 address; write it as four numbers, such as 192.0.2.1"
    if parts.port == 0:
        return "port 0 cannot be connected to"
    if parts.username is not None:
        return "it holds a user name, which would be shown to everybody"
    if scheme in ("tcp", "tls") and parts.port is None:
        host = parts.netloc.removesuffix(":")
        return f"it names no port; write {scheme}://{host}:port"
    if scheme == "icmp" and parts.port is not None:
        return "it names a port, and icmp has none"
    if scheme == "dns":
        return question_complaint(parts)
    if scheme not in (*HTTP, *WEBSOCKET) and (parts.path not in ("", "/") or parts.query):
        return f"it has a path, which {scheme} has no use for"
    return None


def question_complaint(parts: SplitResult) -> str | None:
    """Say what is wrong with what a dns URL asks."""
    name = parts.path.removeprefix("/")
    setting, _, kind = (parts.query or "type=A").partition("=")
    if not name or "/" in name:
        return "it asks about no name; write dns://resolver/name?type=A"
    if setting != "type" or kind.upper() not in DNS_TYPES:
        return f"it asks for {parts.query!r}; write ?type= and one of {', '.join(DNS_TYPES)}"
    return None
