"""A certificate that targets showed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that targets showed, with version of TLS and cipher; None: cannot be read.

    ``chain``: every certificate shown, its own first, as objects of report.certificates.
    ``expires_at``: the earliest end in the chain. ``locations``: the titles of those that saw it.
    """

    sha256: str
    subject: str | None
    issuer: str | None
    names: list[str] | None
    serial: str | None
    key: str | None
    signature: str | None
    not_before: datetime | None
    not_after: datetime | None
    expires_at: datetime | None
    tls_version: str | None
    tls_cipher: str | None
    chain: list[dict[str, str | None]]
    first_seen_at: datetime
    last_seen_at: datetime
    locations: list[str]
