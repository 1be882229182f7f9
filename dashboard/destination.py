"""Channels' addresses: read as people type them, and sealed to whoever tells."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from dashboard.errors import Unacceptable
from dashboard.sealing import SealingKey

EMAIL = re.compile(r'[^\s@<>,;:"]+@[^\s@<>,;:"]+')
SCHEME = re.compile(r"[a-z][a-z0-9+.-]{1,30}")


@dataclass(frozen=True, slots=True)
class Destination:
    """``kind``: mail, webhook or service. ``hint``: what it is recognised by.

    ``secret``: what a webhook is signed with; empty: it is none.
    """

    kind: str
    hint: str
    address: str = field(repr=False)
    secret: str = field(default="", repr=False)

    def sealed(self, key: SealingKey, account_id: int) -> bytes:
        """What only whoever tells can open."""
        content = json.dumps({"address": self.address, "secret": self.secret})
        return key.seal(f"vantage.channels/{account_id}", content)


def read(address: str) -> Destination:
    """Read an address. Raises: Unacceptable, without repeating what may be a secret."""
    if "://" not in address:
        if not EMAIL.fullmatch(address) or len(address) > 254:
            raise Unacceptable(
                "That is no address: write person@example.com, https://… for a webhook, or the URL "
                "of a service."
            )
        return Destination("mail", address, address)
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise Unacceptable(f"That URL cannot be read: {error}.") from error
    if parts.scheme in ("http", "https"):
        if not host or "@" in parts.netloc or len(address) > 2048:
            raise Unacceptable("A webhook is https://host/…, without a user name.")
        hint = f"{parts.scheme}://{host}"
        return Destination("webhook", hint, address, f"whsec_{secrets.token_urlsafe(32)}")
    if not SCHEME.fullmatch(parts.scheme) or len(address) > 2048:
        raise Unacceptable("That is no URL of a service, such as slack://… or tgram://….")
    return Destination("service", parts.scheme, address)
