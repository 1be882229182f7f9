"""The phases of an exchange, in their order, and what people read for them."""

from __future__ import annotations

TITLES = {
    "dns": "DNS lookup",
    "connect": "TCP connect",
    "tls": "TLS handshake",
    "send": "Sending the request",
    "wait": "Waiting for first byte",
    "receive": "Content transfer",
}
PHASES = tuple(TITLES)
LIMITED = ("total", "redirect", *PHASES)
"""For what a limit can be set."""
LASTING = {"total": "The response", **TITLES}
"""What is said to take its time, as it begins a sentence."""
