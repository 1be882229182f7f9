"""What a request to a monitor's target may be. Pure.

Source: RFC 9110 (methods, fields), RFC 9112 (framing).
"""

from __future__ import annotations

import re

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
HTTP_VERSIONS = ("1.1", "2", "3")
"""That can be asked for."""
ANSWERED_VERSIONS = ("1.0", *HTTP_VERSIONS)
# Below libcurl's threshold for "Expect: 100-continue", which would make two waits of one.
BODY_BYTES_MAX = 64 * 1024
# socks5h: the proxy looks the host up; that the agent did would tell nothing of what it sees.
PROXY_SCHEMES = ("http", "https", "socks5h")
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
UNSENDABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
# They frame the message, and that is the agent's to do.
_FRAMING = {"connection", "content-length", "transfer-encoding", "expect", "upgrade", "te"}


def check_header(name: str, value: str) -> None:
    """Raise ValueError, without the value, for a header that cannot be sent."""
    if not HEADER_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no header name; write 'Name: value'.")
    if name.lower() in _FRAMING:
        raise ValueError(f"The header {name} cannot be set; it follows from the request.")
    if UNSENDABLE.search(value):
        raise ValueError(f"The value of the header {name} holds what cannot be sent.")
