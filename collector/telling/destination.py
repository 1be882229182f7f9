"""Where a channel leads: what people type, checked; what they recognise it by; and its secret."""

from __future__ import annotations

import json
import re
import secrets
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from collector.errors import CollectorError

if TYPE_CHECKING:
    import apprise

EMAIL = re.compile(r'[^\s@<>,;:"]+@[^\s@<>,;:"]+')
# Services of Apprise that would act on the machine that sends.
LOCAL = frozenset(
    ("dbus", "kde", "qt", "glib", "gnome", "macosx", "windows", "syslog", "file", "memory")
)
SECRET_PREFIX = "whsec_"  # noqa: S105 - tells what it is


@dataclass(frozen=True, slots=True)
class Destination:
    """``kind``: mail, webhook or service. ``secret``: what webhooks are signed with."""

    kind: str
    address: str = field(repr=False)
    secret: str = field(default="", repr=False)

    @property
    def hint(self) -> str:
        """What people recognise it by; never the whole of a URL, which may be a secret."""
        if self.kind == "mail":
            return self.address
        parts = urlsplit(self.address)
        if self.kind == "service":
            return parts.scheme
        return f"{parts.scheme}://{parts.hostname}"

    def encode(self) -> bytes:
        """Write it to be sealed; the report centre writes the same."""
        return json.dumps({"address": self.address, "secret": self.secret}).encode()

    @classmethod
    def decode(cls, kind: str, content: bytes) -> Destination:
        """Read what ``encode`` wrote."""
        found = json.loads(content)
        return cls(kind, found["address"], found["secret"])

    @classmethod
    def of(cls, address: str) -> Destination:
        """Read an address as people type it: mail, https://, or a URL of Apprise.

        Raises: CollectorError, without repeating what may be a secret.
        """
        address = address.strip()
        if "://" not in address:
            address = address.removeprefix("mailto:")
            if not EMAIL.fullmatch(address) or len(address) > 254:
                raise CollectorError(
                    "That is no address: write person@example.com, https://… for a webhook, or the "
                    "URL of a service (docs/notifications.md)."
                )
            return cls("mail", address)
        try:
            parts = urlsplit(address)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise CollectorError(f"That URL cannot be read: {error}.") from error
        if parts.scheme in ("http", "https"):
            if not host or "@" in parts.netloc:
                raise CollectorError("A webhook is https://host/…, without a user name.")
            return cls("webhook", address, SECRET_PREFIX + secrets.token_urlsafe(32))
        check_service(address, parts.scheme)
        return cls("service", address)


def check_service(address: str, scheme: str) -> None:
    """Raise CollectorError where Apprise knows no such service, or one that is none of ours."""
    if scheme.lower() in LOCAL or service(address) is None:
        raise CollectorError(
            f"{scheme}:// with what follows is no service that can be told: see "
            "docs/notifications.md for the forms of its URL."
        )


def service(address: str) -> apprise.Apprise | None:
    """Return what tells a service. None: Apprise does not understand the URL."""
    import apprise

    told = apprise.Apprise()
    with warnings.catch_warnings():
        # It loads modules of the standard library that are on their way out.
        warnings.simplefilter("ignore", DeprecationWarning)
        return told if told.add(address) else None
