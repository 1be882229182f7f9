"""Addresses and host:port, as operators write them."""

from __future__ import annotations

from agent.errors import FatalError


def parse_address(text: str, subject: str) -> tuple[str, int]:
    """Split host:port; an IPv6 host keeps its brackets.

    Raises: FatalError beginning with ``subject``.
    """
    host, _, port = text.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if is_bracketed else host
    if not bare or (":" in bare) != is_bracketed or any(c in bare for c in "/@[] "):
        raise FatalError(f"{subject} {text!r} is not HOST:PORT; write IPv6 as [2001:db8::1]:7444.")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise FatalError(f"{subject} {text!r} has no port from 1 to 65535 after its last colon.")
    return host, int(port)
