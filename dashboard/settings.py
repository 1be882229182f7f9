"""What ``vantage-dashboard serve`` was told, gathered once."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dashboard.access_log import AccessLog
    from dashboard.identity_provider import IdentityProvider
    from dashboard.mail import MailServer
    from dashboard.payments import Payments


@dataclass(frozen=True, slots=True)
class Settings:
    """One running report centre.

    ``port`` 0 lets the system choose. ``secret`` signs forms. ``allowed_hosts``: names that the
    Host header may hold; empty: any. ``trusted_proxy``: addresses whose X-Forwarded-* count.
    ``tls_cert``, ``tls_key``: PEM files; None: plain HTTP, for a proxy in front.
    ``public_url``: how people reach it, without a slash at the end; empty: where nothing is mailed.
    ``registration``: closed, invite or open. ``mail_server`` None: no mail is sent.
    ``identity_provider`` None: people sign in here alone. ``payments`` None: nobody pays here.
    ``access_log`` None: none is written.
    """

    database: str = field(repr=False)
    secret: bytes = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 8080
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxy: str = "127.0.0.1"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    public_url: str = ""
    registration: str = "closed"
    mail_server: MailServer | None = None
    identity_provider: IdentityProvider | None = None
    payments: Payments | None = None
    access_log: AccessLog | None = None


SECRET_BYTES = 32


def read_secret(path: Path) -> bytes:
    """Return the key in ``path``, made (readable by its owner only) where there is none.

    Raises: OSError where it can be neither read nor written; ValueError where it is too short.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        secret = path.read_bytes().strip()
    else:
        with os.fdopen(descriptor, "wb") as file:
            secret = secrets.token_hex(SECRET_BYTES).encode()
            file.write(secret + b"\n")
    if len(secret) < SECRET_BYTES:
        raise ValueError(f"it holds {len(secret)} bytes, fewer than {SECRET_BYTES}")
    return secret
